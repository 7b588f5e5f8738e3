"""Means of a map inside boxes and stripes, exact at fractional borders.

Source: this project; plain integrals of the map.
"""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-6


def box_mean(maps: Tensor, boxes: Tensor) -> Tensor:
    """(B, C, h, w), (B, R, 4) -> (B, R, C).

    A cell counts by the area of it that the box covers, so that the result is the mean of the
    piecewise constant map over the box. It is two matrix products: it exports anywhere.

    Args:
        boxes: x_min, y_min, x_max, y_max in 0..1 of the picture.
    """
    height, width = maps.shape[2:]
    columns = covered(boxes[:, :, 0], boxes[:, :, 2], width)
    rows = covered(boxes[:, :, 1], boxes[:, :, 3], height)
    weights = (rows[:, :, :, None] * columns[:, :, None]).flatten(2)
    sums = weights @ maps.flatten(2).transpose(1, 2)
    return sums / weights.sum(2, keepdim=True).clamp(min=_TINY)


def stripe_mean(maps: Tensor, count: int) -> Tensor:
    """(B, C, h, w) -> (B, C, S): mean of each of S equal horizontal stripes, top to bottom.

    A row that two stripes share counts in each by its share (adaptive pooling counts it twice,
    and ONNX lacks it where S does not divide h).
    """
    edges = torch.arange(count + 1, device=maps.device, dtype=maps.dtype) / count
    rows = covered(edges[:-1], edges[1:], maps.shape[2])
    return maps.mean(3) @ (rows / rows.sum(1, keepdim=True)).T


def covered(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """How much of each of `cells` equal cells of 0..1 an interval covers: (...) -> (..., cells)."""
    start = torch.arange(cells, device=low.device, dtype=low.dtype)
    last = torch.minimum(high[..., None] * cells, start + 1)
    first = torch.maximum(low[..., None] * cells, start)
    return (last - first).clamp(min=0)
