"""Nearest neighbours by squared Euclidean distance, a block of rows at a time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

_BLOCK_CELLS = 1 << 23
_GROUP = 8


@dataclass(frozen=True)
class Neighbours:
    """The k nearest of N points to each of them, the nearest first.

    Attributes:
        columns: (N, k) int64; a point is its own first neighbour, unless another equals it.
        squares: (N, k) float32 squared distances.
        largest: (N,) float32: squared distance of the farthest point.
    """

    columns: NDArray[np.int64]
    squares: NDArray[np.float32]
    largest: NDArray[np.float32]


def as_features(name: str, given: NDArray[np.floating] | Tensor) -> Tensor:
    """(N, D) float32 without gradient, on its device.

    Raises:
        ValueError: it is not a matrix, or a value is not finite.
    """
    features = torch.as_tensor(given).detach().float()
    if features.ndim != 2:
        raise ValueError(f"{name} features {tuple(features.shape)} are not (rows, dimensions)")
    if not bool(torch.isfinite(features).all()):
        raise ValueError(f"{name} features hold NaN or infinity")
    return features


def nearest(points: Tensor, count: int) -> Neighbours:
    """`count` nearest (at most N) of the points (N, D) to each of them."""
    number = len(points)
    count = min(count, number)
    columns = torch.empty(number, count, dtype=torch.int64)
    squares, largest = torch.empty(number, count), torch.empty(number)
    own = points.pow(2).sum(1)
    for rows in row_blocks(number, number):
        block = torch.addmm(own, points[rows], points.T, alpha=-2)  # lacks |x|², the row's own
        values, indices = smallest(block, count)
        columns[rows] = indices.cpu()
        squares[rows] = (values + own[rows, None]).clamp_min_(0).cpu()
        largest[rows] = (block.amax(1) + own[rows]).clamp_min_(0).cpu()
    return Neighbours(columns.numpy(), squares.numpy(), largest.numpy())


def smallest(block: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Values and columns, (m, count) each, of the smallest of every row (m, n), ascending.

    Columns are grouped by eights (c, c + w, c + 2w, ...): the smallest values can only be in the
    groups of the smallest minima, so that few values are ever sorted.
    """
    width = block.shape[1] // _GROUP
    if width <= count:
        near = block.topk(count, dim=1, largest=False)
        return near.values, near.indices
    minima = block[:, : width * _GROUP].view(len(block), _GROUP, width).amin(1)
    groups = minima.topk(count, dim=1, largest=False).indices
    steps = torch.arange(0, width * _GROUP, width, device=block.device)
    rest = torch.arange(width * _GROUP, block.shape[1], device=block.device)
    columns = [(groups[:, None] + steps[:, None]).flatten(1), rest.expand(len(block), -1)]
    among = torch.cat(columns, 1)
    near = block.gather(1, among).topk(count, dim=1, largest=False)
    return near.values, among.gather(1, near.indices)


def row_blocks(rows: int, columns: int) -> list[slice]:
    """Slices of so many rows that a dense block of them stays at 32 MB."""
    step = max(1, _BLOCK_CELLS // max(1, columns))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def squared_distances(a: Tensor, b: Tensor, squares_b: Tensor) -> Tensor:
    """(m, D), (n, D) and |y|² (n,) -> (m, n): |x|² + |y|² - 2 x.y, at least 0."""
    block = torch.addmm(squares_b, a, b.T, alpha=-2)
    return block.add_(a.pow(2).sum(1)[:, None]).clamp_min_(0)


def pair_squares(points: Tensor, pattern: sp.csr_matrix) -> NDArray[np.float32]:
    """Squared distances of the pairs (row, column) that `pattern` (N, N) stores, in its order."""
    shape: Any = pattern.shape
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        wanted = torch.sparse_csr_tensor(
            torch.from_numpy(pattern.indptr.astype(np.int64)),
            torch.from_numpy(pattern.indices.astype(np.int64)),
            torch.zeros(pattern.nnz),
            shape,
            check_invariants=True,
        ).to(points.device)
        products = torch.sparse.sampled_addmm(wanted, points, points.T, beta=0).values().cpu()
    squares = points.pow(2).sum(1).cpu().numpy()
    rows = np.repeat(np.arange(len(points)), np.diff(pattern.indptr))
    return np.maximum(squares[rows] + squares[pattern.indices] - 2 * products.numpy(), 0)
