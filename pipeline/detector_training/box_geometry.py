"""Overlaps of person boxes: with each other, and who hides whom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.detector_training.labelled_frame import Boxes

COVERAGE_GRID = 24


def areas(boxes_xyxy: Boxes) -> NDArray[np.float64]:
    """Return (N,) areas in square pixels; empty or inverted boxes count as 0."""
    sides = np.clip(boxes_xyxy[:, 2:].astype(np.float64) - boxes_xyxy[:, :2], 0, None)
    return sides[:, 0] * sides[:, 1]


def intersections(a_xyxy: Boxes, b_xyxy: Boxes) -> NDArray[np.float64]:
    """Return (N, M) intersection areas in square pixels."""
    top_left = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2]).astype(np.float64)
    bottom_right = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    sides = np.clip(bottom_right - top_left, 0, None)
    return sides[..., 0] * sides[..., 1]


def iou(a_xyxy: Boxes, b_xyxy: Boxes) -> NDArray[np.float64]:
    """Return (N, M) intersection over union; 0 where both boxes are empty."""
    shared = intersections(a_xyxy, b_xyxy)
    union = areas(a_xyxy)[:, None] + areas(b_xyxy)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def share_inside(a_xyxy: Boxes, b_xyxy: Boxes) -> NDArray[np.float64]:
    """Return (N, M): the share of each box of `a` that lies inside each box of `b`."""
    shared = intersections(a_xyxy, b_xyxy)
    own = areas(a_xyxy)[:, None]
    return np.divide(shared, own, out=np.zeros_like(shared), where=own > 0)


def hidden_share(boxes_xyxy: Boxes) -> NDArray[np.float64]:
    """Return (N,): the share of each box that nearer people cover.

    On a common ground plane, a box whose lower edge is further down stands nearer to the camera.
    The union of the nearer boxes is measured on a grid of 24x24 points inside each box.
    """
    steps = (np.arange(COVERAGE_GRID) + 0.5) / COVERAGE_GRID
    hidden = np.zeros(len(boxes_xyxy))
    for i, (left, top, right, bottom) in enumerate(boxes_xyxy):
        nearer = boxes_xyxy[boxes_xyxy[:, 3] > bottom]
        xs = (left + steps * (right - left))[None, :, None]
        ys = (top + steps * (bottom - top))[:, None, None]
        inside = (xs >= nearer[:, 0]) & (xs <= nearer[:, 2])
        inside = inside & (ys >= nearer[:, 1]) & (ys <= nearer[:, 3])
        hidden[i] = inside.any(axis=2).mean()
    return hidden


def clip_to_picture(boxes_xyxy: Boxes, width_px: int, height_px: int) -> Boxes:
    """Return the boxes cut at the picture's border (boxes outside become empty)."""
    limits = np.array([width_px, height_px, width_px, height_px], np.float32)
    return np.clip(boxes_xyxy, 0, limits).astype(np.float32)
