"""Labels made by the reference detector where no hand-made ones exist."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detector_training.box_geometry import iou, share_inside
from pipeline.detector_training.evaluate import detect
from pipeline.detector_training.labelled_frame import Boxes, Image, LabelledFrame, Part

SURE = 0.6
DOUBTFUL = 0.2
MIN_PERSON_PX = 16.0
SAME_PERSON_IOU = 0.3
SAME_PERSON_INSIDE = 0.5


def video_frames(path: Path, teacher: Any, seconds_apart: float = 1.0) -> list[LabelledFrame]:
    """Return about one frame per `seconds_apart` of a clip, labelled by `teacher`.

    A frame enters only if the teacher is sure of everything in it (no box between 0.2 and 0.6),
    because a doubtful person would otherwise be taught as background. All of it trains: labels
    of a detector cannot score a detector.

    Raises:
        ValueError: the clip cannot be opened.
    """
    clip = cv2.VideoCapture(str(path))
    if not clip.isOpened():
        raise ValueError(f"cannot open the clip {path}")
    step = max(1, round(clip.get(cv2.CAP_PROP_FPS) * seconds_apart))
    frames, index = [], 0
    while clip.grab():
        if index % step == 0:
            read, picture = clip.retrieve()
            image = np.asarray(picture, np.uint8)
            boxes = sure_boxes(image, teacher) if read else None
            if boxes is not None:
                frames.append(_pseudo_frame(path.stem, index, image, boxes))
        index += 1
    clip.release()
    return frames


def _pseudo_frame(dataset: str, index: int, picture: Image, boxes: Boxes) -> LabelledFrame:
    return LabelledFrame(
        dataset=dataset,
        name=f"{index:06d}",
        part=Part.TRAIN,
        read_bgr=partial(np.copy, picture),
        boxes_xyxy=boxes,
        ignored=np.zeros(len(boxes), bool),
        min_height_px=MIN_PERSON_PX,
    )


def sure_boxes(picture_bgr: Image, teacher: Any, imgsz: int = 640) -> Boxes | None:
    """Return (N, 4) boxes of one picture, or None when the teacher doubts any of them."""
    boxes, scores = detect(teacher, picture_bgr, imgsz, lowest_score=DOUBTFUL)
    return None if bool((scores < SURE).any()) else boxes


def fill_in_unlabelled(frame: LabelledFrame, teacher: Any, imgsz: int = 640) -> LabelledFrame:
    """Add the people whom the teacher is sure of and the annotators left out.

    The MOT sequences leave out people who are far away or behind glass; trained on as they are,
    they teach a detector to be blind to small people. A box is added if it overlaps no labelled
    one (IoU below 0.3, less than half inside).
    """
    boxes, scores = detect(teacher, frame.read_bgr(), imgsz, lowest_score=SURE)
    return frame.with_extra_boxes(boxes[_is_new(boxes, frame.boxes_xyxy) & (scores >= SURE)])


def _is_new(boxes: Boxes, labelled: Boxes) -> NDArray[np.bool_]:
    overlaps = iou(boxes, labelled) >= SAME_PERSON_IOU
    inside = share_inside(boxes, labelled) >= SAME_PERSON_INSIDE
    return np.asarray(~(overlaps | inside).any(axis=1), bool)
