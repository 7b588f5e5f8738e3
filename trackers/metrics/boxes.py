"""How much boxes overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def iou_matrix(boxes_a_xyxy: ArrayLike, boxes_b_xyxy: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every pair.

    Args:
        boxes_a_xyxy: (A, 4) pixels.
        boxes_b_xyxy: (B, 4) pixels.

    Returns:
        (A, B) in 0..1; 0 where both boxes have no area.
    """
    a, b = _as_boxes(boxes_a_xyxy), _as_boxes(boxes_b_xyxy)
    intersection = _intersection(a, b)
    union = _area(a)[:, None] + _area(b)[None, :] - intersection
    return _ratio(intersection, union)


def coverage_matrix(boxes_a_xyxy: ArrayLike, boxes_b_xyxy: ArrayLike) -> NDArray[np.float64]:
    """Which share of each box of `a` lies inside each box of `b`: (A, B) in 0..1."""
    a, b = _as_boxes(boxes_a_xyxy), _as_boxes(boxes_b_xyxy)
    intersection = _intersection(a, b)
    return _ratio(intersection, np.broadcast_to(_area(a)[:, None], intersection.shape))


def _as_boxes(boxes: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes_wh = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return sizes_wh[:, 0] * sizes_wh[:, 1]


def _intersection(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    left_top = np.maximum(a[:, None, :2], b[None, :, :2])
    right_bottom = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sizes_wh = np.maximum(right_bottom - left_top, 0.0)
    return sizes_wh[..., 0] * sizes_wh[..., 1]


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
