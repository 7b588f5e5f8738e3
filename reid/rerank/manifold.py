"""Re-ranking on the supervised smoothed manifold (Bai et al., CVPR 2017, arXiv:1703.08359).

The points, queries, gallery and any labelled training pictures, are the nodes of a graph with
affinities W. Two random walks with P_ij = W_ij / sum_j' W_ij' carry a similarity from pair to pair:

    Q(t + 1) = alpha P Q(t) P' + (1 - alpha) L,    Q(0) = L

so that two points are similar when their neighbours are. What is used here:

- W_ij = exp(-d²_ij / s²) where one of i and j is among the k nearest neighbours of the other, and
  W_ii = 1; s² is the mean squared distance of the points to their k neighbours.
- L_ij = 1 or 0 for two labelled points of one or of two identities. A query or gallery picture has
  no label: every pair with such a point has L_ij = W_ij. Without labels L = W.

L is at most 1 and the rows of P sum to 1, so Q stays in 0..1; 1 - Q is returned as the distance.
P and L are sparse. For some queries at a time, E the rows of the identity that select them,
E Q(T) = (1 - alpha) sum_t<T alpha^t E P^t L P'^t + alpha^T E P^T L P'^T is evaluated from the
inside, with dense blocks (N, queries).
"""

from __future__ import annotations

import warnings
from typing import overload

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid.rerank.neighbours import Neighbours, as_features, nearest

_BLOCK_CELLS = 1 << 24
_TINY = 1e-30
Labels = NDArray[np.int64]


@overload
def smoothed_manifold_distances(
    query: NDArray[np.float32],
    gallery: NDArray[np.float32],
    train: NDArray[np.float32] | None = None,
    train_labels: Labels | None = None,
    *,
    neighbours: int = 10,
    alpha: float = 0.5,
    iterations: int = 10,
) -> NDArray[np.float32]: ...


@overload
def smoothed_manifold_distances(
    query: Tensor,
    gallery: Tensor,
    train: Tensor | None = None,
    train_labels: Labels | None = None,
    *,
    neighbours: int = 10,
    alpha: float = 0.5,
    iterations: int = 10,
) -> Tensor: ...


def smoothed_manifold_distances(
    query: NDArray[np.float32] | Tensor,
    gallery: NDArray[np.float32] | Tensor,
    train: NDArray[np.float32] | Tensor | None = None,
    train_labels: Labels | None = None,
    *,
    neighbours: int = 10,
    alpha: float = 0.5,
    iterations: int = 10,
) -> NDArray[np.float32] | Tensor:
    """(Q, D), (G, D) features -> (Q, G) float32 distances 1 - Q(iterations), in 0..1.

    Torch tensors give a tensor on their device; all features must be on one.

    Args:
        train: (N, D) features of labelled pictures, and their identities (N,).
        neighbours: k of the graph; more connects strangers and costs time.
        alpha: 0 <= alpha < 1, how far similarity is carried; near 1 all pairs become alike.
        iterations: T; what is missing to the limit is at most alpha^T.

    Raises:
        ValueError: features that do not fit or are not finite, labels that do not fit, or a
            setting out of its range.
    """
    if neighbours < 1 or iterations < 0 or not 0 <= alpha < 1:
        raise ValueError(
            f"neighbours {neighbours} must be 1 or more, iterations {iterations} 0 or more, "
            f"alpha {alpha} in 0 <= alpha < 1"
        )
    sets = [as_features("query", query), as_features("gallery", gallery)]
    labels = _labels(train, train_labels)
    if train is not None:
        sets.append(as_features("train", train))
    if any(one.shape[1] != sets[0].shape[1] or one.device != sets[0].device for one in sets):
        raise ValueError(f"features {[tuple(one.shape) for one in sets]} do not fit")
    count_q, count_g = len(sets[0]), len(sets[1])
    out = torch.ones(count_q, count_g, device=sets[0].device)
    if out.numel():
        affinity = _affinity(nearest(torch.cat(sets), neighbours + 1))
        known = _supervised(affinity, labels, count_q + count_g)
        _subtract_similarity(out, affinity, known, alpha, iterations)
    return out.numpy() if isinstance(query, np.ndarray) else out


def _labels(train: NDArray[np.float32] | Tensor | None, labels: Labels | None) -> Labels:
    given = np.empty(0, np.int64) if labels is None else np.asarray(labels)
    count = 0 if train is None else len(train)
    if given.shape != (count,):
        raise ValueError(f"{count} training features with labels of shape {given.shape}")
    return given


def _affinity(near: Neighbours) -> sp.csr_matrix:
    """W (N, N), symmetric, float64."""
    number, count = near.columns.shape
    rows = np.repeat(np.arange(number), count)
    columns, squares = near.columns.ravel(), near.squares.ravel().astype(np.float64)
    others = rows != columns
    rows, columns, squares = rows[others], columns[others], squares[others]
    scale = max(squares.mean(), _TINY) if len(squares) else 1.0
    edges = sp.csr_matrix((np.exp(-squares / scale), (rows, columns)), (number, number))
    return (edges.maximum(edges.T) + sp.identity(number)).tocsr()


def _supervised(affinity: sp.csr_matrix, labels: Labels, unlabelled: int) -> sp.csr_matrix:
    """L: the affinity, but 1 or 0 between two labelled points, which are the last ones."""
    if not len(labels):
        return affinity
    edges = affinity.tocoo()
    keep = (edges.row < unlabelled) | (edges.col < unlabelled)
    rows, columns, values = edges.row[keep], edges.col[keep], edges.data[keep]
    identities, index = np.unique(labels, return_inverse=True)
    member = sp.csr_matrix(
        (np.ones(len(labels)), (np.arange(len(labels)), index)), (len(labels), len(identities))
    )
    same = (member @ member.T).tocoo()
    return sp.csr_matrix(
        (
            np.concatenate([values, same.data]),
            (
                np.concatenate([rows, same.row + unlabelled]),
                np.concatenate([columns, same.col + unlabelled]),
            ),
        ),
        affinity.shape,
    )


def _subtract_similarity(
    out: Tensor, affinity: sp.csr_matrix, known: sp.csr_matrix, alpha: float, iterations: int
) -> None:
    """Take Q(iterations) of queries and gallery from `out` (Q, G), some queries at a time."""
    count_q, count_g = out.shape
    walk = sp.diags(1 / affinity.sum(1).A1) @ affinity
    p, p_turned, l_matrix = (_torch_csr(one, out.device) for one in (walk, walk.T, known))
    number = affinity.shape[0]
    step = max(1, _BLOCK_CELLS // (number * (iterations + 2)))
    for start in range(0, count_q, step):
        stop = min(start + step, count_q)
        place = torch.zeros(number, stop - start, device=out.device)
        place[torch.arange(start, stop), torch.arange(stop - start)] = 1
        carried = [l_matrix @ place]
        for _ in range(iterations):
            place = p_turned @ place
            carried.append(l_matrix @ place)
        similarity = carried.pop()
        while carried:
            similarity = (p @ similarity).mul_(alpha).add_(carried.pop(), alpha=1 - alpha)
        out[start:stop] -= similarity[count_q : count_q + count_g].T


def _torch_csr(matrix: sp.spmatrix, device: torch.device) -> Tensor:
    """float32 on the device."""
    rows = matrix.tocsr()
    rows.sort_indices()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(rows.indptr.astype(np.int64)),
            torch.from_numpy(rows.indices.astype(np.int64)),
            torch.from_numpy(rows.data.astype(np.float32)),
            rows.shape,
            check_invariants=True,
        ).to(device)
