"""Geometry of boxes, vectorised over all pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_FARTHEST_PX = 1e6
"""From the picture's corner; what is farther away was never seen."""


def areas(boxes_xyxy: NDArray[np.floating]) -> Array:
    """(N, 4) -> (N,) square pixels; inside-out boxes have none."""
    size = np.maximum(np.asarray(boxes_xyxy, np.float64)[:, 2:] - boxes_xyxy[:, :2], 0)
    return size[:, 0] * size[:, 1]


def intersections(a: NDArray[np.floating], b: NDArray[np.floating]) -> Array:
    """(M, 4), (N, 4) xyxy -> (M, N) common area in square pixels."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    size = np.maximum(high - low, 0)
    return size[..., 0] * size[..., 1]


def iou(a: NDArray[np.floating], b: NDArray[np.floating]) -> Array:
    """(M, 4), (N, 4) xyxy -> (M, N) intersection over union, 0 for empty boxes."""
    common = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def covered(boxes_xyxy: NDArray[np.floating]) -> Array:
    """(N, 4) -> (N,): the largest fraction of each box that one other box covers.

    A box that is not finite covers nothing.
    """
    if len(boxes_xyxy) < 2:
        return np.zeros(len(boxes_xyxy))
    common = np.nan_to_num(intersections(boxes_xyxy, boxes_xyxy), posinf=0)
    common[:, ~np.isfinite(boxes_xyxy).all(1)] = 0
    np.fill_diagonal(common, 0)
    area = np.maximum(areas(boxes_xyxy), 1e-9)
    return common.max(1) / area


def usable(boxes_xyxy: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N, 4) -> (N,): at least one pixel wide and high, and no number beyond any picture."""
    b = np.asarray(boxes_xyxy, np.float64)
    with np.errstate(invalid="ignore"):
        sane = (np.abs(b) <= _FARTHEST_PX).all(1)
        return sane & (b[:, 2] - b[:, 0] >= 1) & (b[:, 3] - b[:, 1] >= 1)


def enlarged(boxes_xyxy: Array, fraction: float) -> Array:
    """(N, 4) -> (N, 4): every side moved outwards by `fraction` of the box's size."""
    growth = fraction * (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])
    return np.concatenate([boxes_xyxy[:, :2] - growth, boxes_xyxy[:, 2:] + growth], 1)


def height_overlap(a: Array, b: Array) -> Array:
    """(M, 4), (N, 4) xyxy -> (M, N) intersection over union of the vertical extents, 0..1."""
    common = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    union = (a[:, 3] - a[:, 1])[:, None] + (b[:, 3] - b[:, 1])[None] - common
    return np.clip(common, 0, None) / np.maximum(union, 1e-9)


def warp_boxes(boxes_xyxy: NDArray[np.floating], affine: NDArray[np.floating]) -> Array:
    """(N, 4) -> (N, 4) along with the view: (2, 3) affine of the centres; boxes stay upright.

    Width and height grow by the affine's scale.
    """
    boxes, turn = np.asarray(boxes_xyxy, np.float64), np.asarray(affine, np.float64)[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ turn.T + affine[:, 2]
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * np.sqrt(abs(np.linalg.det(turn)))
    return np.concatenate([centre - half, centre + half], 1)
