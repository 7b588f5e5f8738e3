"""Distances between embeddings: global cosine and the aligned part distance.

`aligned_distance` is the local distance of AlignedReID (Zhang et al., arXiv:1711.08184,
equations 1 and 2): d_ij = (e^x - 1) / (e^x + 1) with x = ||f_i - g_j||, then the cost of the
cheapest path from the top-left to the bottom-right cell of the P x P matrix, moving right or
down. It is divided by the path's length 2P - 1, so that its scale does not depend on P: 0 for
equal bodies, at most tanh(1) = 0.76 for unit vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHUNK_CELLS = 4_000_000
_MEAN_ROUNDS = 12
_MEAN_TOLERANCE = 1e-6


def cosine_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(M, D), (N, D) of length-1 rows -> (M, N): 1 - cosine, 0..2."""
    return (1.0 - a @ b.T).astype(np.float32)


def aligned_distance(
    parts_a: NDArray[np.float32],
    parts_b: NDArray[np.float32],
    visibility_a: NDArray[np.float32] | None = None,
    visibility_b: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Aligned part distance of every pair: (M, P, d), (N, P, d) -> (M, N) float32 in 0..0.76.

    With visibilities (M, P) and (N, P) in 0..1 a cell counts by the product of its two parts'
    visibilities, a path costs the weighted mean of its cells, and the cheapest path by that mean
    is taken. (The smallest *sum* would prefer paths that dodge visible cells: a body cut at the
    hip would be compared with the other one's head only.) A pair that has no visible part to
    compare gets NaN, because nothing is known about it.

    Raises:
        ValueError: the part counts or dimensions differ, or only one visibility is given.
    """
    if parts_a.shape[1:] != parts_b.shape[1:]:
        raise ValueError(f"parts {parts_a.shape[1:]} and {parts_b.shape[1:]} do not fit")
    if (visibility_a is None) != (visibility_b is None):
        raise ValueError("give both visibilities or none")
    if visibility_a is None or visibility_b is None or _all_seen(visibility_a, visibility_b):
        visibility_a = visibility_b = None
    out = np.empty((len(parts_a), len(parts_b)), np.float32)
    rows = max(1, _CHUNK_CELLS // max(1, len(parts_b) * parts_a.shape[1] ** 2))
    for start in range(0, len(parts_a), rows):
        part = slice(start, start + rows)
        cost = _cell_costs(parts_a[part], parts_b)
        if visibility_a is None or visibility_b is None:
            out[part] = _cheapest_sum(cost) / (2 * parts_a.shape[1] - 1)
        else:
            out[part] = _cheapest_mean(cost, _cell_weights(visibility_a[part], visibility_b))
    return out


def _all_seen(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return bool((a == 1).all() and (b == 1).all())


def _cell_costs(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(M, P, d), (N, P, d) -> (P, P, M, N): tanh(||f_i - g_j|| / 2)."""
    count_a, parts, dim = a.shape
    products = a.reshape(-1, dim) @ b.reshape(-1, dim).T
    products = products.reshape(count_a, parts, len(b), parts).transpose(1, 3, 0, 2)
    cost: NDArray[np.float32] = np.tanh(np.sqrt(np.maximum(2 - 2 * products, 0)) / 2)
    return cost


def _cell_weights(seen_a: NDArray[np.float32], seen_b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(M, P), (N, P) -> (P, P, M, N): products of the visibilities."""
    return seen_a.T[:, None, :, None] * seen_b.T[None, :, None, :]


def _cheapest_sum(cost: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P, P, M, N) -> (M, N): S_ij = min(S_i-1,j, S_i,j-1) + d_ij at the last cell."""
    row: list[NDArray[np.float32]] = []
    for i, cells in enumerate(cost):
        for j, here in enumerate(cells):
            if i and j:
                row[j] = np.minimum(row[j], row[j - 1]) + here
            elif i:
                row[j] = row[j] + here
            else:
                row.append(row[j - 1] + here if j else here)
    return row[-1]


def _cheapest_mean(cost: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P, P, M, N) costs and weights -> (M, N): smallest weighted mean along a path.

    Dinkelbach's method: the path of the smallest sum of w (d - mean) has a smaller mean,
    until none has. It starts above every cost, so that visible cells are worth a detour.
    """
    mean = _ratio(*_gather(cost, weight, np.ones(cost.shape[2:], np.float32)))
    for _ in range(_MEAN_ROUNDS):
        better = _ratio(*_gather(cost, weight, mean))
        if not np.any(better < mean - _MEAN_TOLERANCE):
            break
        mean = np.fmin(mean, better)
    return mean


def _ratio(paid: NDArray[np.float32], gathered: NDArray[np.float32]) -> NDArray[np.float32]:
    """paid / gathered, NaN where nothing was gathered."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(gathered > 0, paid / gathered, np.nan).astype(np.float32)


def _gather(
    cost: NDArray[np.float32], weight: NDArray[np.float32], mean: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weighted cost and weight, each (M, N), along the path of the smallest sum w (d - mean)."""
    paid: list[NDArray[np.float32]] = []
    gathered: list[NDArray[np.float32]] = []
    for i, j in np.ndindex(*cost.shape[:2]):
        pay, gain = weight[i, j] * cost[i, j], weight[i, j]
        if i and j:
            left = paid[j - 1] - mean * gathered[j - 1] < paid[j] - mean * gathered[j]
            pay = pay + np.where(left, paid[j - 1], paid[j])
            gain = gain + np.where(left, gathered[j - 1], gathered[j])
        elif i or j:
            before = j if i else j - 1
            pay, gain = pay + paid[before], gain + gathered[before]
        if i:
            paid[j], gathered[j] = pay, gain
        else:
            paid.append(pay)
            gathered.append(gain)
    return paid[-1], gathered[-1]
