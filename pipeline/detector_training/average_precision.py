"""Average precision at one overlap threshold, fair to what the annotators left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.detector_training.box_geometry import iou, share_inside
from pipeline.detector_training.labelled_frame import Boxes

IGNORED_INSIDE = 0.5


@dataclass(frozen=True)
class ScoredFrame:
    """What a detector found in one frame, beside the truth.

    Attributes:
        truth_xyxy: (N, 4) pixels.
        truth_ignored: (N,) bool; finding or missing such a box changes nothing.
        found_xyxy: (M, 4) pixels.
        scores: (M,) in 0..1.
        min_height_px: an unmatched detection lower than this is not counted as an error, since
            people of that size are not labelled.
    """

    truth_xyxy: Boxes
    truth_ignored: NDArray[np.bool_]
    found_xyxy: Boxes
    scores: NDArray[np.float32]
    min_height_px: float = 0.0


@dataclass(frozen=True)
class DetectionScore:
    """The quality of a detector on some frames.

    Attributes:
        ap50: area under the precision-recall curve in 0..1 (all-point interpolation).
        recall: share of the people found at or above the score threshold.
        precision: share of the counted detections at or above it that are people.
        people: counted boxes of the ground truth.
        frames: pictures scored.
    """

    ap50: float
    recall: float
    precision: float
    people: int
    frames: int


def judge_frame(
    frame: ScoredFrame, min_iou: float = 0.5
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return (scores, is_right) of the detections that count, highest score first.

    Each detection takes the free counted person it overlaps most, at `min_iou` or more. One that
    finds none is forgotten if it matches an ignored box (at `min_iou`, or lies at least half
    inside one) or is lower than `min_height_px`; otherwise it is wrong.
    """
    order = np.argsort(-frame.scores, kind="stable")
    found, scores = frame.found_xyxy[order], frame.scores[order]
    counted = frame.truth_xyxy[~frame.truth_ignored]
    ignored = frame.truth_xyxy[frame.truth_ignored]
    overlap = iou(found, counted)
    excused = (iou(found, ignored) >= min_iou).any(axis=1)
    excused |= (share_inside(found, ignored) >= IGNORED_INSIDE).any(axis=1)
    excused |= found[:, 3] - found[:, 1] < frame.min_height_px
    right = np.zeros(len(found), bool)
    for i in range(len(found)):
        if len(counted) and overlap[i].max() >= min_iou:
            right[i] = True
            overlap[:, int(overlap[i].argmax())] = -1.0
    kept = right | ~excused
    return scores[kept], right[kept]


def average_precision(
    scores: NDArray[np.float32], is_right: NDArray[np.bool_], people: int
) -> float:
    """Return the area under the interpolated precision-recall curve, in 0..1.

    At each recall the precision is the best reached at that recall or a higher one (all-point
    interpolation). Detections of equal score enter together, so their order does not matter.

    Args:
        scores: (N,) of the detections of all frames.
        is_right: (N,) whether each found a person; see `judge_frame`.
        people: how many there were to find.

    Returns:
        nan when there are no people to find.
    """
    if people == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_right[order])
    last_of_score = np.append(np.diff(scores[order]) != 0, True)[: len(hits)]
    hits, counts = hits[last_of_score], (np.arange(len(last_of_score)) + 1)[last_of_score]
    envelope = np.maximum.accumulate((hits / counts)[::-1])[::-1]
    gains = np.diff(hits, prepend=0) / people
    return float((gains * envelope).sum())


def score_frames(frames: Sequence[ScoredFrame], at_score: float = 0.25) -> DetectionScore:
    """Return AP50 over all frames together, with recall and precision at one score threshold."""
    judged = [judge_frame(frame) for frame in frames]
    scores = np.concatenate([s for s, _ in judged] or [np.zeros(0, np.float32)])
    is_right = np.concatenate([r for _, r in judged] or [np.zeros(0, bool)])
    people = int(sum((~frame.truth_ignored).sum() for frame in frames))
    confident = is_right[scores >= at_score]
    return DetectionScore(
        ap50=average_precision(scores, is_right, people),
        recall=float(confident.sum() / people) if people else float("nan"),
        precision=float(confident.mean()) if len(confident) else float("nan"),
        people=people,
        frames=len(frames),
    )
