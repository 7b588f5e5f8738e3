"""Slow and plain versions of what the tracker computes, one number at a time in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

Box = Sequence[float]


def paths(parts: int) -> Iterator[list[tuple[int, int]]]:
    """Every way from cell (0, 0) to the last one, to the right or down."""
    for downs in combinations(range(2 * parts - 2), parts - 1):
        i, j = 0, 0
        cells = [(0, 0)]
        for step in range(2 * parts - 2):
            i, j = (i + 1, j) if step in downs else (i, j + 1)
            cells.append((i, j))
        yield cells


def aligned_by_hand(
    a: np.ndarray,
    b: np.ndarray,
    seen_a: Sequence[float] | None = None,
    seen_b: Sequence[float] | None = None,
) -> float:
    """Smallest mean of tanh(||f - g|| / 2) along a path, weighted by visibilities; NaN if none."""
    parts, best = len(a), math.nan
    seen_a, seen_b = seen_a or [1.0] * parts, seen_b or [1.0] * parts
    cost = [[math.tanh(math.dist(f.astype(float), g.astype(float)) / 2) for g in b] for f in a]
    for cells in paths(parts):
        weight = sum(seen_a[i] * seen_b[j] for i, j in cells)
        if weight > 0:
            mean = sum(seen_a[i] * seen_b[j] * cost[i][j] for i, j in cells) / weight
            best = mean if math.isnan(best) else min(best, mean)
    return best


def dot(a: np.ndarray, b: np.ndarray) -> float:
    return math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def common(a: Box, b: Box) -> float:
    """Common area."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def area(a: Box) -> float:
    return (a[2] - a[0]) * (a[3] - a[1])


def iou_by_hand(a: Box, b: Box) -> float:
    both = common(a, b)
    return both / (area(a) + area(b) - both)


def height_iou_by_hand(a: Box, b: Box) -> float:
    """IoU times intersection over union of the vertical extents."""
    both = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return iou_by_hand(a, b) * both / ((a[3] - a[1]) + (b[3] - b[1]) - both)


def grown(a: Box, fraction: float) -> list[float]:
    wide, high = (a[2] - a[0]) * fraction, (a[3] - a[1]) * fraction
    return [a[0] - wide, a[1] - high, a[2] + wide, a[3] + high]


def centre(a: Box) -> tuple[float, float]:
    return (a[0] + a[2]) / 2, (a[1] + a[3]) / 2


def cheapest_pairs(cost: Sequence[Sequence[float]], limit: float) -> float:
    """Least sum of (cost - limit) over all one-to-one choices of pairs below the limit."""
    if not cost:
        return 0.0
    first, rest = cost[0], cost[1:]
    best = cheapest_pairs(rest, limit)
    for column, price in enumerate(first):
        if price < limit:
            left = [[inf_if(k == column, c) for k, c in enumerate(row)] for row in rest]
            best = min(best, price - limit + cheapest_pairs(left, limit))
    return best


def inf_if(taken: bool, cost: float) -> float:
    return math.inf if taken else cost
