"""Occluded test images, to measure how much an embedder suffers from them.

MGRe's Table 6 erases the test images at random with probability .5; the rectangle is Zhong et al.'s
("Random Erasing Data Augmentation", AAAI 2020, algorithm 1): 2..40 % of the area, sides 0.3..3.3,
filled with noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_AREA = (0.02, 0.4)
_RATIO = (0.3, 1 / 0.3)
_TRIES = 100


@dataclass(frozen=True)
class Occlusion:
    """How test images are occluded: how many of them (0..1), and the seed of which and where."""

    probability: float
    seed: int = 0

    def of_crop(self, crop_bgr: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        """(h, w, 3) -> a copy with or without a rectangle of noise, decided by its number.

        Raises:
            ValueError: a picture of a few pixels.
        """
        picture = torch.from_numpy(crop_bgr.transpose(2, 0, 1).copy())[None]
        out = occlude(picture, self.probability, self.seed, first=number)
        return np.ascontiguousarray(out[0].numpy().transpose(1, 2, 0))


def occlude(images: Tensor, probability: float, seed: int, *, first: int = 0) -> Tensor:
    """(B, C, H, W), float in 0..1 or uint8 -> a copy with a rectangle of noise in some of them.

    What happens to an image depends on `seed` and its number in its split alone, not on batch or
    device; `first` is the number of the batch's first image.

    Raises:
        ValueError: a probability outside 0..1, or pictures of a few pixels.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"probability {probability} is not in 0..1")
    out = images.clone()
    channels, height, width = images.shape[1:]
    for row in range(len(images)):
        rng = np.random.default_rng([seed, first + row])
        if rng.random() >= probability:
            continue
        top, left, bottom, right = _rectangle(height, width, rng)
        noise = torch.from_numpy(rng.random((channels, bottom - top, right - left)))
        if not images.is_floating_point():
            noise = (noise * 256).floor()
        out[row, :, top:bottom, left:right] = noise.to(out)
    return out


def _rectangle(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """top, left, bottom, right in pixels; drawn anew until it fits."""
    for _ in range(_TRIES):
        area = rng.uniform(*_AREA) * height * width
        ratio = rng.uniform(*_RATIO)
        tall, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < tall < height and 0 < wide < width:
            top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
            return int(top), int(left), int(top) + tall, int(left) + wide
    raise ValueError(f"{height} x {width} pixels are too few to occlude")
