"""Part costs d_ij = tanh(||f_i - g_j|| / 2) of many pairs by one matrix product.

(e^x - 1) / (e^x + 1) = tanh(x / 2), and (x / 2)² = |f|²/4 + |g|²/4 - f.g/2 is itself a product of
vectors: (-f/2, |f|²/4, 1) . (g, 1, |g|²/4). Vectors need not be of length 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reid.aligned_paths import Array

if TYPE_CHECKING:
    from torch import Tensor

_MANY_PAIRS = 500
_TILE = 32
"""bfloat16 products are fastest with a multiple of so many columns."""


def part_costs(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(m, P, d), (n, P, d) -> costs (P, m, P, n) in NumPy, b's last part first.

    For many pairs the parts are sorted first, so that the cells of two parts lie side by side.
    """
    (count_a, parts, dim), count_b = a.shape, len(b)
    sort = count_a * count_b >= _MANY_PAIRS
    if sort:
        a, b = np.ascontiguousarray(a.swapaxes(0, 1)), np.ascontiguousarray(b.swapaxes(0, 1)[::-1])
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
    return cells.reshape(count_a, parts, count_b, parts).transpose(1, 0, 3, 2)[:, :, ::-1]


def float32_rows(parts: Tensor, *, left: bool) -> Tensor:
    """Factors (P, m, d + 2) of bodies (m, P, d); those of the second ones with the last part first.

    A product of a left and a right row is (x / 2)².
    """
    import torch

    parts = parts.float()
    quarter = (parts * parts).sum(2, keepdim=True) / 4
    one = torch.ones_like(quarter)
    if left:
        return torch.cat([parts * -0.5, quarter, one], 2).movedim(1, 0)
    return torch.cat([parts, one, quarter], 2).movedim(1, 0).flip(0)


def bfloat16_rows(parts: Tensor, *, left: bool) -> Tensor:
    """`float32_rows` in bfloat16: (P, m, K), K a multiple of 32.

    The squares are those of the rounded vectors, in two columns that together keep 16 bits, so
    that the cost is that of the rounded vectors and equal parts still cost nothing.
    """
    import torch

    rounded = parts.bfloat16()
    quarter = rounded.float().pow(2).sum(2, keepdim=True) / 4
    high = quarter.bfloat16()
    low = (quarter - high).bfloat16()
    one = torch.ones_like(high)
    columns = [rounded * -0.5, high, low, one, one] if left else [rounded, one, one, high, low]
    rows = torch.cat(columns, -1)
    rows = torch.nn.functional.pad(rows, (0, -rows.shape[-1] % _TILE)).movedim(1, 0)
    return rows if left else rows.flip(0)


def costs_in_place(quarter_squares: Tensor) -> Tensor:
    """(x / 2)², of which rounding made some negative, -> tanh(x / 2), in the same memory."""
    return quarter_squares.clamp_min_(0).sqrt_().tanh_()


def cell_weights(xp: Any, seen_a: Array, seen_b: Array) -> Array:
    """Visibilities (m, P), (n, P) -> (P, m, P, n): their products, b's last part first."""
    return seen_a.T[:, :, None, None] * xp.flip(seen_b.T, (0,))[None, None]
