"""The plain NumPy way to align part features and to re-rank, against which ours is timed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
_CELLS = 4_000_000


def aligned_numpy(parts_a: Array, parts_b: Array) -> Array:
    """(M, P, d), (N, P, d) of unit vectors -> (M, N): the recurrence, vectorised over the pairs."""
    parts, dim = parts_a.shape[1:]
    out = np.empty((len(parts_a), len(parts_b)), np.float32)
    step = max(1, _CELLS // (len(parts_b) * parts**2))
    for start in range(0, len(parts_a), step):
        a = parts_a[start : start + step]
        products = a.reshape(-1, dim) @ parts_b.reshape(-1, dim).T
        products = products.reshape(len(a), parts, len(parts_b), parts).transpose(1, 3, 0, 2)
        cost = np.tanh(np.sqrt(np.maximum(2 - 2 * products, 0)) / 2)
        row: list[Array] = []
        for i in range(parts):
            for j in range(parts):
                if i and j:
                    row[j] = np.minimum(row[j], row[j - 1]) + cost[i, j]
                elif i:
                    row[j] = row[j] + cost[i, j]
                else:
                    row.append(row[j - 1] + cost[i, j] if j else cost[i, j])
        out[start : start + step] = row[-1] / (2 * parts - 1)
    return out


def k_reciprocal_numpy(
    query: Array, gallery: Array, k1: int = 20, k2: int = 6, weight: float = 0.3
) -> Array:
    """(Q, D), (G, D) -> (Q, G): k-reciprocal encoding with dense N x N matrices."""
    points = np.concatenate([query, gallery])
    number, count = len(points), len(query)
    distance = _row_normalised_squares(points)
    rank = np.argpartition(distance, range(1, k1 + 1), axis=1).astype(np.int32)
    encoding = np.zeros((number, number), np.float32)
    for p in range(number):
        members = reciprocal = _reciprocal(rank, p, k1)
        for q in reciprocal:
            other = _reciprocal(rank, q, round(k1 / 2))
            if 3 * len(np.intersect1d(other, reciprocal)) > 2 * len(other):
                members = np.append(members, other)
        members = np.unique(members)
        values = np.exp(-distance[p, members])
        encoding[p, members] = values / values.sum()
    if k2 > 1:
        averaged = np.empty_like(encoding)
        for p in range(number):
            averaged[p] = encoding[rank[p, :k2]].mean(0)
        encoding = averaged
    distance = distance[:count, count:].copy()
    return (1 - weight) * _jaccard(encoding, count) + weight * distance


def _row_normalised_squares(points: Array) -> Array:
    squares = (points**2).sum(1)
    distance: Array = squares[:, None] + squares[None] - 2 * points @ points.T
    np.maximum(distance, 0, out=distance)
    distance /= distance.max(1, keepdims=True)
    return distance


def _reciprocal(rank: NDArray[np.int32], p: int, k: int) -> NDArray[np.int32]:
    forward = rank[p, : k + 1]
    return forward[(rank[forward, : k + 1] == p).any(1)]


def _jaccard(encoding: Array, count: int) -> Array:
    number = len(encoding)
    holders = [np.flatnonzero(encoding[:, column]) for column in range(number)]
    out = np.empty((count, number - count), np.float32)
    for p in range(count):
        common = np.zeros(number, np.float32)
        for column in np.flatnonzero(encoding[p]):
            rows = holders[column]
            common[rows] += np.minimum(encoding[p, column], encoding[rows, column])
        out[p] = (1 - common / (2 - common))[count:]
    return out
