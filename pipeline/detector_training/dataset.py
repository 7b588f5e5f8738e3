"""Write the training data of the person detector as a YOLO data set."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from pipeline.detector_training.composites import composite_frames
from pipeline.detector_training.degrade import degrade
from pipeline.detector_training.labelled_frame import Boxes, Image, LabelledFrame, Part
from pipeline.detector_training.labelled_sources import labelled_frames, of_part
from pipeline.detector_training.pseudo_labels import fill_in_unlabelled, video_frames

log = logging.getLogger(__name__)

VIDEOS = ("one-by-one-person-detection.mp4", "people-detection.mp4")


@dataclass(frozen=True)
class DatasetPlan:
    """How much of each source enters the training data.

    Attributes:
        seed: of the split, the composites and the degraded copies.
        every: keep one of so many training frames of a sequence; neighbours are near-copies.
        composites: number of drawn training pictures; more draws the detector towards drawings.
        degraded_share: share of the training pictures that also enter as a small dark copy.
        held_back_composites: number of drawn pictures that only score.
    """

    seed: int = 20260101
    every: dict[str, int] = field(
        default_factory=lambda: {
            "PETS09-S2L1": 4,
            "ETH-Sunnyday": 2,
            "TUD-Stadtmitte": 4,
            "TUD-Campus": 3,
        }
    )
    composites: int = 150
    degraded_share: float = 0.2
    held_back_composites: int = 60


def training_frames(shared: Path, teacher: Any, plan: DatasetPlan) -> list[LabelledFrame]:
    """Return every frame that is trained on: labelled, pseudo-labelled and drawn ones.

    office3 is never among them, nor is a held-back or choosing frame.

    Args:
        shared: the folder with `data/`.
        teacher: the reference detector that labels the clips and fills in left-out people.
        plan: how much of each source.
    """
    frames: list[LabelledFrame] = []
    seen: Counter[str] = Counter()
    for frame in of_part(labelled_frames(shared, plan.seed), Part.TRAIN):
        if seen[frame.dataset] % plan.every.get(frame.dataset, 1) == 0:
            frames.append(_taught(frame, teacher))
        seen[frame.dataset] += 1
    for name in VIDEOS:
        frames += video_frames(shared / "data" / "videos" / name, teacher)
    drawn = composite_frames(plan.composites, Part.TRAIN, plan.seed)
    return frames + [_taught(frame, teacher) for frame in drawn]


def _taught(frame: LabelledFrame, teacher: Any) -> LabelledFrame:
    """COCO is labelled completely; the other sources leave out people, or heads at the border."""
    return frame if frame.dataset == "coco128" else fill_in_unlabelled(frame, teacher)


def choosing_frames(shared: Path, plan: DatasetPlan) -> list[LabelledFrame]:
    """Return the frames on which settings are chosen: labelled ones and a third as many drawn."""
    frames = of_part(labelled_frames(shared, plan.seed), Part.CHOOSE)
    return frames + composite_frames(len(frames) // 3, Part.CHOOSE, plan.seed)


def held_back_frames(shared: Path, plan: DatasetPlan) -> list[LabelledFrame]:
    """Return the frames that only score: hand-labelled ones, and as a set of its own drawn ones."""
    frames = of_part(labelled_frames(shared, plan.seed), Part.HELD_BACK)
    return frames + composite_frames(plan.held_back_composites, Part.HELD_BACK, plan.seed)


def write_dataset(
    train: Sequence[LabelledFrame],
    choose: Sequence[LabelledFrame],
    folder: Path,
    plan: DatasetPlan,
) -> Path:
    """Write pictures and YOLO labels below `folder` and return its `data.yaml`.

    Boxes that are ignored in scoring are left out of the labels. A seeded share of the training
    pictures is written a second time as a degraded copy.

    Raises:
        FileExistsError: `folder` already holds a data set.
    """
    if (folder / "images").exists():
        raise FileExistsError(f"{folder} already holds a data set; choose another folder")
    rng = np.random.default_rng([plan.seed, 7])
    for part, frames in (("train", train), ("choose", choose)):
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True)
        for frame in frames:
            picture, boxes = frame.read_bgr(), frame.boxes_xyxy[~frame.ignored]
            stem = f"{part}/{frame.dataset}_{frame.name}"
            _write_one(folder, stem, picture, boxes)
            if part == "train" and rng.random() < plan.degraded_share:
                _write_one(folder, f"{stem}_degraded", *degrade(picture, boxes, rng))
        log.info("%s: %s", part, dict(Counter(frame.dataset for frame in frames)))
    data = folder / "data.yaml"
    about = {"path": str(folder), "train": "images/train", "val": "images/choose"}
    data.write_text(yaml.safe_dump({**about, "names": {0: "person"}}))
    return data


def _write_one(folder: Path, stem: str, picture: Image, boxes: Boxes) -> None:
    height, width = picture.shape[:2]
    cv2.imwrite(str(folder / "images" / f"{stem}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    label = folder / "labels" / f"{stem}.txt"
    label.write_text("".join(_yolo_lines(boxes, width, height)))


def _yolo_lines(boxes: Boxes, width_px: int, height_px: int) -> Iterable[str]:
    for left, top, right, bottom in boxes:
        centre = ((left + right) / 2 / width_px, (top + bottom) / 2 / height_px)
        size = ((right - left) / width_px, (bottom - top) / height_px)
        if min(size) > 0:
            yield f"0 {centre[0]:.6f} {centre[1]:.6f} {size[0]:.6f} {size[1]:.6f}\n"
