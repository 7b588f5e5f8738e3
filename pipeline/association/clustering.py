"""Constrained agglomerative clustering: join the most likely pair until none is likely.

Average linkage of log odds, weighted by how much each tracklet says, is the greedy solution of
correlation clustering under cannot-link and must-link constraints.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cluster(
    log_odds: Array,
    weights: Array,
    forbidden: NDArray[np.bool_],
    required: NDArray[np.bool_],
    threshold: float = 0.0,
) -> NDArray[np.int64]:
    """Group N items: (N,) labels, equal for one group; a label is its smallest member's row.

    Args:
        log_odds: (N, N) symmetric evidence of belonging together.
        weights: (N,) positive, how much each item's evidence counts.
        forbidden: (N, N) pairs that never come together.
        required: (N, N) pairs that come together whatever the evidence.
        threshold: least mean log odds of two groups to be joined.
    """
    count = len(weights)
    labels = np.arange(count)
    group = labels.copy()
    if count < 2:
        return group
    heavy = weights[:, None] * weights[None]
    sums, heavy = log_odds * heavy, heavy.copy()
    blocked = forbidden.copy()
    np.fill_diagonal(blocked, True)
    mean = np.where(blocked, -np.inf, sums / heavy)
    for i, j in np.argwhere(np.tril(required, -1)):
        a, b = int(group[i]), int(group[j])
        if a != b:
            _join(min(a, b), max(a, b), group, sums, heavy, blocked, mean)
    partner = mean.argmax(1)
    best = mean[labels, partner]
    while True:
        i = int(best.argmax())
        if not best[i] > threshold:
            return group
        keep, gone = sorted((i, int(partner[i])))
        _join(keep, gone, group, sums, heavy, blocked, mean)
        stale = np.flatnonzero((partner == keep) | (partner == gone) | (labels == keep))
        partner[stale] = mean[stale].argmax(1)
        best[stale] = mean[stale, partner[stale]]
        best[gone] = -np.inf


def _join(
    keep: int,
    gone: int,
    labels: NDArray[np.int64],
    sums: Array,
    heavy: Array,
    blocked: NDArray[np.bool_],
    mean: Array,
) -> None:
    for matrix in (sums, heavy):
        matrix[keep] += matrix[gone]
        matrix[:, keep] += matrix[:, gone]
    blocked[keep] |= blocked[gone]
    blocked[:, keep] |= blocked[:, gone]
    blocked[keep, keep] = True
    blocked[gone] = True
    blocked[:, gone] = True
    mean[keep] = np.where(blocked[keep], -np.inf, sums[keep] / heavy[keep])
    mean[:, keep] = mean[keep]
    mean[gone], mean[:, gone] = -np.inf, -np.inf
    labels[labels == gone] = keep
