"""One picture with its person boxes, and which part of the data it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
Image = NDArray[np.uint8]


class Part(StrEnum):
    """Which use a frame is reserved for."""

    TRAIN = "train"
    CHOOSE = "choose"
    HELD_BACK = "held_back"


@dataclass(frozen=True)
class LabelledFrame:
    """A frame that is read only when it is needed.

    Attributes:
        dataset: where it comes from, for example `PETS09-S2L1`.
        name: unique within the data set; becomes the file name.
        part: train on it, choose settings with it, or only score with it.
        read_bgr: returns the (H, W, 3) uint8 picture.
        boxes_xyxy: (N, 4) float32 pixels, clipped to the picture.
        ignored: (N,) bool; boxes that neither reward nor punish a detector (almost fully hidden,
            flagged in the ground truth, or below `min_height_px`).
        min_height_px: people lower than this are not labelled reliably in this data set.
    """

    dataset: str
    name: str
    part: Part
    read_bgr: Callable[[], Image]
    boxes_xyxy: Boxes
    ignored: NDArray[np.bool_]
    min_height_px: float

    def with_extra_boxes(self, boxes_xyxy: Boxes) -> LabelledFrame:
        """Return a copy with more boxes, none of them ignored."""
        return replace(
            self,
            boxes_xyxy=np.concatenate([self.boxes_xyxy, boxes_xyxy.astype(np.float32)]),
            ignored=np.concatenate([self.ignored, np.zeros(len(boxes_xyxy), bool)]),
        )
