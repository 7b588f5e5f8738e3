"""Re-ranking by k-reciprocal encoding (Zhong et al., CVPR 2017, arXiv:1701.08398).

Two pictures of one person are likely to be among each other's nearest neighbours, and to have the
same neighbours. Over the N = Q + G points of queries and gallery together:

1. R(p, k): those of p's k nearest neighbours that have p among theirs (equations 1 to 3).
2. R*(p): R(p, k1), and R(q, k1/2) of every q in R(p, k1) that shares more than two thirds of it
   with R(p, k1) (equation 4).
3. V_p: exp(-d) of the points in R*(p), 0 elsewhere (equation 7), to sum 1; then the mean of V over
   p's k2 nearest neighbours, p included (equation 9).
4. d_J(p, g) = 1 - sum min(V_p, V_g) / sum max(V_p, V_g) (equations 6, 10), and
   (1 - weight) d_J + weight d (equation 12).

As in the authors' program, d is the *squared* Euclidean distance over the largest one in p's row,
a point counts as its own neighbour beside the k others, k1/2 is rounded to even, and "more than"
stands where the paper writes "at least". Everything is kept as sparse rows of a few dozen
entries; a dense block covers a few hundred rows at a time.
"""

from __future__ import annotations

from typing import overload

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid.rerank.neighbours import (
    Neighbours,
    as_features,
    nearest,
    pair_squares,
    row_blocks,
    squared_distances,
)

_QUERIES_AT_ONCE = 16
_TINY = 1e-30


@overload
def k_reciprocal_distances(
    query: NDArray[np.float32],
    gallery: NDArray[np.float32],
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
) -> NDArray[np.float32]: ...


@overload
def k_reciprocal_distances(
    query: Tensor, gallery: Tensor, k1: int = 20, k2: int = 6, weight: float = 0.3
) -> Tensor: ...


def k_reciprocal_distances(
    query: NDArray[np.float32] | Tensor,
    gallery: NDArray[np.float32] | Tensor,
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
) -> NDArray[np.float32] | Tensor:
    """(Q, D), (G, D) features -> (Q, G) float32 re-ranked distances in 0..1.

    Distances and neighbours are computed where the features are; the sparse part runs on the CPU.
    Torch tensors give a tensor on their device.

    Args:
        k1: neighbours that may be reciprocal. Raise it to about the number of pictures of a
            person; more takes strangers in.
        k2: neighbours over which the encoding is averaged, the point included; 1 averages nothing.
        weight: 0..1, share of the plain distance; 1 is the plain ranking.

    Raises:
        ValueError: features that do not fit or are not finite, k1 or k2 below 1, or a weight
            outside 0..1.
    """
    if k1 < 1 or k2 < 1 or not 0 <= weight <= 1:
        raise ValueError(f"k1 {k1} and k2 {k2} must be 1 or more, weight {weight} in 0..1")
    a, b = as_features("query", query), as_features("gallery", gallery)
    if a.shape[1] != b.shape[1] or a.device != b.device:
        raise ValueError(f"query {tuple(a.shape)} and gallery {tuple(b.shape)} do not fit")
    out = torch.empty(len(a), len(b), device=a.device)
    if out.numel():
        points = torch.cat([a, b])
        near = nearest(points, max(k1 + 1, k2))
        encoding = _average(_encode(points, near, k1), near, k2)
        _fill(out, a, b, near.largest, encoding, weight)
    return out.numpy() if isinstance(query, np.ndarray) else out


def _encode(points: Tensor, near: Neighbours, k1: int) -> sp.csr_matrix:
    """V (N, N): rows of exp(-d) over R*(p), of sum 1."""
    full = _reciprocal(near.columns[:, : k1 + 1])
    half = _reciprocal(near.columns[:, : round(k1 / 2) + 1])
    shared = (full @ half.T).multiply(full).tocsr()
    size = np.diff(half.indptr)
    shared.data = (3 * shared.data > 2 * size[shared.indices]).astype(np.int32)
    shared.eliminate_zeros()
    expanded = (full + shared @ half).tocsr()
    expanded.sort_indices()
    distance = pair_squares(points, expanded)
    rows = np.repeat(np.arange(len(points)), np.diff(expanded.indptr))
    values = np.exp(-distance / np.maximum(near.largest[rows], _TINY))
    sums = np.bincount(rows, values, len(points))
    values = (values / sums[rows]).astype(np.float32)
    return sp.csr_matrix((values, expanded.indices, expanded.indptr), expanded.shape)


def _reciprocal(columns: NDArray[np.int64]) -> sp.csr_matrix:
    """(N, k) neighbours -> (N, N) of ones where both are among each other's."""
    forward = _neighbour_matrix(columns, np.int32)
    both = forward.multiply(forward.T.tocsr()).tocsr()
    both.sort_indices()
    return both


def _neighbour_matrix(columns: NDArray[np.int64], dtype: type) -> sp.csr_matrix:
    number, count = columns.shape
    starts = np.arange(0, number * count + 1, count)
    ones = np.ones(number * count, dtype)
    return sp.csr_matrix((ones, columns.ravel(), starts), (number, number))


def _average(encoding: sp.csr_matrix, near: Neighbours, k2: int) -> sp.csr_matrix:
    """Local query expansion: the mean of V over the k2 nearest neighbours."""
    if k2 == 1:
        return encoding
    columns = near.columns[:, :k2]
    return (_neighbour_matrix(columns, np.float32) @ encoding) / np.float32(columns.shape[1])


def _fill(
    out: Tensor,
    query: Tensor,
    gallery: Tensor,
    largest: NDArray[np.float32],
    encoding: sp.csr_matrix,
    weight: float,
) -> None:
    """Write (1 - weight) d_J + weight d into `out` (Q, G), some queries at a time."""
    scale = torch.from_numpy(largest[: len(query)]).to(out.device).clamp_min_(_TINY)
    rows, columns = encoding[: len(query)], encoding[len(query) :].tocsc()
    squares = gallery.pow(2).sum(1)
    for block in row_blocks(len(query), len(gallery)):
        plain = squared_distances(query[block], gallery, squares).div_(scale[block, None])
        common = np.empty(tuple(plain.shape), np.float32)
        for start in range(block.start, block.stop, _QUERIES_AT_ONCE):
            part = slice(start, min(start + _QUERIES_AT_ONCE, block.stop))
            common[start - block.start : part.stop - block.start] = _common_weight(
                rows[part], columns
            )
        union = torch.from_numpy(common).to(out.device).neg_().add_(2)  # rows of V sum to 1
        jaccard = union.reciprocal_().mul_(-2).add_(2)
        out[block] = jaccard.mul_(1 - weight).add_(plain, alpha=weight)


def _common_weight(rows: sp.csr_matrix, columns: sp.csc_matrix) -> NDArray[np.float64]:
    """(q, N) sparse and the gallery's (G, N) by columns -> (q, G): sum of min(V_p, V_g).

    Only the gallery rows that share a column with the query are visited.
    """
    queries, gallery = rows.shape[0], columns.shape[0]
    begin = columns.indptr[rows.indices]
    length = columns.indptr[rows.indices + 1] - begin
    before = np.cumsum(length) - length
    place = np.arange(length.sum()) + np.repeat(begin - before, length)
    least = np.minimum(columns.data[place], np.repeat(rows.data, length))
    query = np.repeat(np.arange(queries), np.diff(rows.indptr))
    cell = columns.indices[place] + np.repeat(query * gallery, length)
    sums: NDArray[np.float64] = np.bincount(cell, least, queries * gallery).astype(np.float64)
    return sums.reshape(queries, gallery)
