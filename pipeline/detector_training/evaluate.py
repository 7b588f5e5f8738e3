"""Score a detector on labelled frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.detector_training.average_precision import (
    DetectionScore,
    ScoredFrame,
    score_frames,
)
from pipeline.detector_training.labelled_frame import Boxes, Image, LabelledFrame

LOWEST_SCORE = 0.005
OVERALL = "overall"


def detect(
    model: Any, image_bgr: Image, imgsz: int, lowest_score: float = LOWEST_SCORE
) -> tuple[Boxes, NDArray[np.float32]]:
    """Return person boxes (M, 4) xyxy pixels and scores (M,) of one picture.

    Args:
        model: an Ultralytics detector; its class 0 is person.
        image_bgr: (H, W, 3) uint8.
        imgsz: longer side of the network's input in pixels.
        lowest_score: boxes below are not returned; lower makes the curve longer and NMS slower.
    """
    found = model.predict(
        image_bgr, imgsz=imgsz, conf=lowest_score, classes=[0], verbose=False, device="cpu"
    )[0].boxes
    return (
        found.xyxy.cpu().numpy().astype(np.float32).reshape(-1, 4),
        found.conf.cpu().numpy().astype(np.float32),
    )


def score_detector(
    model: Any, frames: Sequence[LabelledFrame], imgsz: int = 640
) -> dict[str, DetectionScore]:
    """Return the score per data set and under `overall` for all frames together."""
    by_dataset: dict[str, list[ScoredFrame]] = defaultdict(list)
    for frame in frames:
        boxes, scores = detect(model, frame.read_bgr(), imgsz)
        by_dataset[frame.dataset].append(
            ScoredFrame(
                frame.boxes_xyxy, frame.ignored, boxes, scores, min_height_px=frame.min_height_px
            )
        )
    result = {name: score_frames(scored) for name, scored in by_dataset.items()}
    result[OVERALL] = score_frames([one for scored in by_dataset.values() for one in scored])
    return result


def mean_ap50(scores: dict[str, DetectionScore]) -> float:
    """Return the mean AP50 over the data sets, each counting the same."""
    return float(np.mean([score.ap50 for name, score in scores.items() if name != OVERALL]))
