"""How strongly training pictures are varied: the section `train.augment` of a system's YAML."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reid.section import Section

Probability = Annotated[float, Field(ge=0, le=1)]


class AugmentConfig(Section):
    """How strongly a batch is varied; 0 switches a change off.

    Attributes:
        flip: probability of mirroring.
        shift: largest translation as a fraction of the side.
        scale: largest zoom in or out as a fraction.
        colour: strength of brightness, contrast, saturation and per-channel gain changes.
        grey: probability of dropping the colour (a night camera).
        blur: probability of losing resolution (shrunk to 40..80 % and back).
        erase: probability of erasing one rectangle (Zhong et al., "Random Erasing").
        truncate: probability of cutting off 10..50 % at the bottom, filled with the mean.
        pad_crop: pixels of black around the picture before its size is cut out at random (10 in
            the usual recipe at 256 x 128, Luo et al., "Bag of Tricks", 2019); at smaller sizes the
            same number of pixels moves people further.
    """

    flip: Probability = 0.5
    shift: float = Field(default=0.06, ge=0, le=0.5)
    scale: float = Field(default=0.08, ge=0, le=0.5)
    colour: float = Field(default=0.15, ge=0, le=0.6)
    grey: Probability = 0.01
    blur: Probability = 0.15
    erase: Probability = 0.25
    truncate: Probability = 0.08
    pad_crop: int = Field(default=0, ge=0, le=128)
