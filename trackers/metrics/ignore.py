"""Leave reported boxes out of scoring where the ground truth says "do not look here"."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackers.metrics.boxes import coverage_matrix, iou_matrix
from trackers.metrics.matching import best_pairs
from trackers.metrics.sequence import rows_by_frame
from trackers.motfile import MotRows


def ignored_rows(
    gt: MotRows,
    hyp: MotRows,
    ignore: MotRows,
    *,
    min_iou: float = 0.5,
    max_coverage: float = 0.5,
) -> NDArray[np.bool_]:
    """Which hypotheses match no labelled box but lie in an ignore box.

    Args:
        gt: labelled boxes; matched with the hypotheses of the same frame one to one so that the
            summed IoU is largest.
        hyp: reported boxes.
        ignore: boxes to leave out; their ids mean nothing.
        min_iou: from which IoU on a labelled box is matched; higher ignores more.
        max_coverage: a box is ignored if a larger share of its own area lies in one ignore box;
            higher ignores less.

    Returns:
        (len(hyp),) bool, True for the rows to drop.
    """
    ignored = np.zeros(len(hyp), np.bool_)
    frames = np.intersect1d(hyp.frames, ignore.frames)
    for gt_rows, hyp_rows, ignore_rows in zip(
        rows_by_frame(gt.frames, frames),
        rows_by_frame(hyp.frames, frames),
        rows_by_frame(ignore.frames, frames),
        strict=True,
    ):
        boxes = hyp.boxes_xyxy[hyp_rows]
        covered = coverage_matrix(boxes, ignore.boxes_xyxy[ignore_rows]).max(axis=1)
        matched = _matched(iou_matrix(gt.boxes_xyxy[gt_rows], boxes), min_iou)
        ignored[hyp_rows] = (covered > max_coverage) & ~matched
    return ignored


def _matched(iou: NDArray[np.float64], min_iou: float) -> NDArray[np.bool_]:
    """Which columns have a partner under the best one-to-one assignment."""
    matched = np.zeros(iou.shape[1], np.bool_)
    matched[best_pairs(iou, min_iou)[1]] = True
    return matched
