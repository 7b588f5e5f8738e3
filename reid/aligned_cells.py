"""Part costs d_ij = tanh(||f_i - g_j|| / 2) of many pairs by one matrix product.

(e^x - 1) / (e^x + 1) = tanh(x / 2), and (x / 2)² = |f|²/4 + |g|²/4 - f.g/2 is itself a product of
vectors: (-f/2, |f|²/4, 1) . (g, 1, |g|²/4). Vectors need not be of length 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reid.aligned_paths import Array

if TYPE_CHECKING:
    from torch import Tensor

MANY_PAIRS = 500
"""From so many pairs on the cells take the time of a small call, below it the NumPy calls."""
_TILE = 32
"""bfloat16 products are fastest with a multiple of so many columns."""


def part_costs(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(m, P, d), (n, P, d) -> costs (P, m, P, n) in NumPy, a's last part first.

    For many pairs the parts are sorted first, so that the cells of two parts lie side by side.
    """
    (count_a, parts, dim), count_b = a.shape, len(b)
    sort = count_a * count_b >= MANY_PAIRS
    if sort:
        a, b = np.ascontiguousarray(a.swapaxes(0, 1)[::-1]), np.ascontiguousarray(b.swapaxes(0, 1))
    rows_a, rows_b = a.reshape(-1, dim), b.reshape(-1, dim)
    cells = rows_a @ rows_b.T
    cells *= -0.5
    cells += (0.25 * np.einsum("nd,nd->n", rows_a, rows_a))[:, None]
    cells += 0.25 * np.einsum("nd,nd->n", rows_b, rows_b)
    np.maximum(cells, 0, out=cells)
    np.sqrt(cells, out=cells)
    np.tanh(cells, out=cells)
    if sort:
        return cells.reshape(parts, count_a, parts, count_b)
    return cells.reshape(count_a, parts, count_b, parts).transpose(1, 0, 3, 2)[::-1]


def product_rows(
    parts: Tensor, *, left: bool, bfloat16: bool, memory: Tensor | None = None
) -> Tensor:
    """Factors (P m, K) of bodies (m, P, d), part by part; of the first bodies the last part first.

    A product of a left and a right row is (x / 2)². K is d + 4: a square has two columns. In
    bfloat16 (K a multiple of 32) they keep 16 bits together, and the squares are those of the
    rounded vectors, so that equal parts still cost nothing.

    Args:
        memory: where to put them: at least P m K values of the type, in one dimension.
    """
    import torch

    count, part_count, dim = parts.shape
    shape = part_count, count, row_width(dim, bfloat16)
    if memory is None:
        kind = torch.bfloat16 if bfloat16 else torch.float32
        memory = torch.empty(math.prod(shape), dtype=kind, device=parts.device)
    rows = memory[: math.prod(shape)].view(shape)
    vectors = (parts.flip(1) if left else parts).to(rows.dtype)
    rows[..., :dim] = vectors.movedim(1, 0)
    lengths = torch.linalg.vector_norm(vectors.float(), dim=2)
    quarter = lengths.T.square().div_(4)
    high = quarter.to(rows.dtype)
    own, ones = (0, 2) if left else (2, 0)
    rows[..., dim:] = 0
    rows[..., dim + own] = high
    rows[..., dim + own + 1] = quarter - high
    rows[..., dim + ones : dim + ones + 2] = 1
    if left:
        rows[..., :dim] *= -0.5
    return rows.flatten(0, 1)


def row_width(dim: int, bfloat16: bool) -> int:
    """K of `product_rows`."""
    return -(-(dim + 4) // _TILE) * _TILE if bfloat16 else dim + 4


def costs_from_products(products: Tensor, out: Tensor) -> Tensor:
    """(x / 2)², of which rounding made some negative, -> tanh(x / 2) in `out`.

    The products are lost. Their sign is dropped before they are widened: in bfloat16 that is one
    bit of each value.
    """
    products.abs_()
    if products.dtype != out.dtype:
        out.copy_(products)
    return out.sqrt_().tanh_()


def cell_weights(xp: Any, seen_a: Array, seen_b: Array) -> Array:
    """Visibilities (m, P), (n, P) -> (P, m, P, n): their products, a's last part first."""
    return xp.flip(seen_a.T, (0,))[:, :, None, None] * seen_b.T[None, None]
