"""Drawn scenes of the built-in demo with exact boxes."""

from __future__ import annotations

from functools import partial

import numpy as np

from pipeline.demo import random_composite
from pipeline.detector_training.labelled_frame import Image, LabelledFrame, Part

DATASET = "composites"
MIN_PERSON_PX = 16.0
PART_SEEDS = {Part.TRAIN: 0, Part.CHOOSE: 1, Part.HELD_BACK: 2}


def composite_frames(count: int, part: Part, seed: int) -> list[LabelledFrame]:
    """Return `count` drawn pictures; each part draws from a stream of random numbers of its own."""
    rng = np.random.default_rng([seed, PART_SEEDS[part]])
    frames = []
    for index in range(count):
        picture, boxes = random_composite(rng)
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        frames.append(
            LabelledFrame(
                dataset=DATASET,
                name=f"{part}_{index:04d}",
                part=part,
                read_bgr=partial(_copy, picture),
                boxes_xyxy=boxes,
                ignored=boxes[:, 3] - boxes[:, 1] < MIN_PERSON_PX,
                min_height_px=MIN_PERSON_PX,
            )
        )
    return frames


def _copy(picture: Image) -> Image:
    return np.array(picture, np.uint8)
