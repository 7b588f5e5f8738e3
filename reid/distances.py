"""Distances between embeddings: global cosine and the aligned part distance.

`aligned_distance` is the local distance of AlignedReID (Zhang et al., arXiv:1711.08184,
equations 1 and 2): d_ij = (e^x - 1) / (e^x + 1) with x = ||f_i - g_j||, then the cost of the
cheapest path from the top-left to the bottom-right cell of the P x P matrix, moving right or
down. It is divided by the path's length 2P - 1, so that its scale does not depend on P: 0 for
equal bodies, at most tanh(1) = 0.76 for unit vectors.

Small calls, as a tracker makes for every frame, run in NumPy and never import torch; large ones
and those on torch tensors run in `reid.aligned_blocks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import NDArray

from reid.aligned_cells import MANY_PAIRS, cell_weights, part_costs
from reid.aligned_paths import Array, cheapest_weighted_mean

if TYPE_CHECKING:
    from torch import Tensor

Precision = Literal["float32", "bfloat16"]

_CHUNK_CELLS = 4_000_000
_SMALL_CELLS = 1_000_000


def cosine_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(M, D), (N, D) of length-1 rows -> (M, N): 1 - cosine, 0..2.

    Source: the metric itself.
    """
    return (1.0 - a @ b.T).astype(np.float32)


@overload
def aligned_distance(
    parts_a: NDArray[np.float32],
    parts_b: NDArray[np.float32],
    visibility_a: NDArray[np.float32] | None = None,
    visibility_b: NDArray[np.float32] | None = None,
    *,
    normalise: bool = True,
    free_ends: bool = False,
    precision: Precision = "float32",
) -> NDArray[np.float32]: ...


@overload
def aligned_distance(
    parts_a: Tensor,
    parts_b: Tensor,
    visibility_a: Tensor | None = None,
    visibility_b: Tensor | None = None,
    *,
    normalise: bool = True,
    free_ends: bool = False,
    precision: Precision = "float32",
) -> Tensor: ...


def aligned_distance(
    parts_a: Array,
    parts_b: Array,
    visibility_a: Array | None = None,
    visibility_b: Array | None = None,
    *,
    normalise: bool = True,
    free_ends: bool = False,
    precision: Precision = "float32",
) -> Array:
    """Aligned part distance of every pair: (M, P, d), (N, P, d) -> (M, N) float32 in 0..0.76.

    Parts are vectors of length 1; with other lengths the distance stays below 1. NumPy arrays give
    a NumPy array, torch tensors a tensor on their device, without gradient. A NaN in a part makes
    its body's distances NaN.

    With visibilities (M, P) and (N, P) in 0..1 a cell counts by the product of its two parts'
    visibilities, a path costs the weighted mean of its cells, and the cheapest path by that mean
    is taken. (The smallest *sum* would prefer paths that dodge visible cells: a body cut at the
    hip would be compared with the other one's head only.) A pair that has no visible part to
    compare gets NaN, because nothing is known about it.

    Args:
        normalise: False gives 2P - 1 times the distance: the sum along the path, as in the paper.
        free_ends: for bodies that the picture cuts. The path may start at any cell of the first
            row or column and end at any of the last row or column, so that the top of one body
            or the bottom of the other stays unmatched. Of all such paths of at least P / 2 cells
            (rounded up) the one of the smallest mean counts; it is never larger than with both
            ends bound. It forgives more, so that strangers come closer too, and costs about P
            times the path sums.
        precision: of the part products. "bfloat16" errs by about 0.001 and is faster where the
            processor multiplies in it (AMX, AVX512-BF16, GPUs), slower elsewhere.

    Raises:
        ValueError: the part counts or dimensions differ, only one visibility is given, the kinds
            of array or devices are mixed, or the precision is unknown.
    """
    _check(parts_a, parts_b, visibility_a, visibility_b, precision)
    if visibility_a is None or visibility_b is None or _all_seen(visibility_a, visibility_b):
        visibility_a = visibility_b = None
    part_count = parts_a.shape[1]
    cells = len(parts_a) * len(parts_b) * part_count**2
    numpy_in = isinstance(parts_a, np.ndarray)
    if numpy_in and precision == "float32" and not free_ends and cells <= _SMALL_CELLS:
        out: Array = _small(parts_a, parts_b, visibility_a, visibility_b)
    else:
        from reid.aligned_blocks import Body, mean_path_costs

        a, b = (
            Body(_tensor(parts), None if seen is None else _tensor(seen))
            for parts, seen in ((parts_a, visibility_a), (parts_b, visibility_b))
        )
        out = mean_path_costs(a, b, free_ends=free_ends, bfloat16=precision == "bfloat16")
        out = out.numpy() if numpy_in else out
    if not normalise:
        out *= 2 * part_count - 1
    return out


def paired_aligned_distance(
    parts_a: NDArray[np.float32],
    parts_b: NDArray[np.float32],
    visibility_a: NDArray[np.float32],
    visibility_b: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The aligned distance of N pairs, row by row: (N, P, d), (N, P, d) -> (N,), as above.

    Args:
        visibility_a, visibility_b: (N, P) in 0..1. A pair that shares no visible part is NaN.
    """
    _check(parts_a, parts_b, visibility_a, visibility_b, "float32")
    if len(parts_a) != len(parts_b):
        raise ValueError(f"{len(parts_a)} and {len(parts_b)} bodies are not pairs")
    products = np.matmul(parts_a[:, ::-1], parts_b.swapaxes(1, 2)).transpose(1, 2, 0)
    squares_a = np.einsum("npd,npd->pn", parts_a, parts_a)[::-1]
    squares_b = np.einsum("npd,npd->pn", parts_b, parts_b)
    cells = squares_a[:, None] + squares_b - 2 * products
    cells = np.tanh(np.sqrt(np.maximum(cells, 0)) / 2)[:, None]
    if _all_seen(visibility_a, visibility_b):
        return (_cheapest_sum(cells) / np.float32(2 * len(cells) - 1))[0]
    weights = (visibility_a.T[::-1, None] * visibility_b.T)[:, None]
    return np.asarray(cheapest_weighted_mean(np, cells, weights, free_ends=False)[0], np.float32)


def alignment_path(
    parts_a: NDArray[np.float32], parts_b: NDArray[np.float32]
) -> list[tuple[int, int]]:
    """Cells (i, j) of the cheapest path between two bodies (P, d), for pictures.

    From (0, 0) to (P - 1, P - 1), 2P - 1 cells; among equally cheap paths the one that moves right
    (in j) last.

    Raises:
        ValueError: the part counts or dimensions differ.
    """
    if parts_a.ndim != 2 or parts_a.shape != parts_b.shape:
        raise ValueError(f"parts {parts_a.shape} and {parts_b.shape} do not fit")
    apart = parts_a[:, None].astype(np.float64) - parts_b[None]
    total = np.tanh(np.linalg.norm(apart, axis=2) / 2)
    total[0] = np.cumsum(total[0])
    total[:, 0] = np.cumsum(total[:, 0])
    for i, j in np.ndindex(total.shape):
        if i and j:
            total[i, j] += min(total[i - 1, j], total[i, j - 1])
    i, j = total.shape[0] - 1, total.shape[1] - 1
    path = [(i, j)]
    while i or j:
        left = i == 0 or (j > 0 and total[i, j - 1] <= total[i - 1, j])
        i, j = (i, j - 1) if left else (i - 1, j)
        path.append((i, j))
    return path[::-1]


def _check(
    parts_a: Array,
    parts_b: Array,
    visibility_a: Array | None,
    visibility_b: Array | None,
    precision: str,
) -> None:
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision {precision!r} is neither 'float32' nor 'bfloat16'")
    if parts_a.ndim != 3 or parts_b.ndim != 3 or parts_a.shape[1:] != parts_b.shape[1:]:
        raise ValueError(f"parts {(*parts_a.shape,)} and {(*parts_b.shape,)} do not fit")
    if (visibility_a is None) != (visibility_b is None):
        raise ValueError("give both visibilities or none")
    for seen, parts in ((visibility_a, parts_a), (visibility_b, parts_b)):
        if seen is not None and seen.shape != parts.shape[:2]:
            raise ValueError(f"visibility {(*seen.shape,)} does not fit parts {(*parts.shape,)}")
    for array in (parts_b, visibility_a, visibility_b):
        if array is not None and _place(array) != _place(parts_a):
            raise ValueError(f"{_place(parts_a)} and {_place(array)} do not go together")


def _place(array: Array) -> str:
    """Kind of array and device."""
    return "a NumPy array" if isinstance(array, np.ndarray) else f"a tensor on {array.device}"


def _all_seen(a: Array, b: Array) -> bool:
    return bool((a == 1).all() and (b == 1).all())


def _tensor(array: Array) -> Tensor:
    """A tensor that shares the memory where it can."""
    import torch

    if isinstance(array, torch.Tensor):
        return array.detach()
    return torch.from_numpy(np.require(array, np.float32, ["C", "W"]))


def _small(a: Array, b: Array, seen_a: Array | None, seen_b: Array | None) -> NDArray[np.float32]:
    """The distance in NumPy, a few rows of `a` at a time."""
    parts = a.shape[1]
    out = np.empty((len(a), len(b)), np.float32)
    step = max(1, _CHUNK_CELLS // max(1, len(b) * parts**2))
    for start in range(0, len(a) if len(b) else 0, step):
        rows = slice(start, start + step)
        cells = part_costs(np.asarray(a[rows], np.float32), np.asarray(b, np.float32))
        if seen_a is None or seen_b is None:
            few = cells.shape[1] * len(b) < MANY_PAIRS
            sums = _cheapest_sum_of_few(cells) if few else _cheapest_sum(cells)
            np.divide(sums, 2 * parts - 1, out=out[rows])
        else:
            weights = cell_weights(np, seen_a[rows], seen_b)
            out[rows] = cheapest_weighted_mean(np, cells, weights, free_ends=False)
    return out


def _cheapest_sum(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P, m, P, n), a's last part first -> (m, n): the recurrence at the last cell.

    Row after row: for a small call that costs less than the views of `PathSweep`.
    """
    row: list[NDArray[np.float32]] = []
    for i, costs in enumerate(cells.transpose(0, 2, 1, 3)[::-1]):
        for j, here in enumerate(costs):
            if i and j:
                row[j] = np.minimum(row[j], row[j - 1]) + here
            elif i:
                row[j] = row[j] + here
            else:
                row.append(row[j - 1] + here if j else here)
    return row[-1]


def _cheapest_sum_of_few(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P, m, P, n), a's last part first -> (m, n): the recurrence at the last cell.

    Calls, not cells, take the time of few pairs, so it makes few: in a copy with cell (i, j) in
    row i P + j every (P - 1)th row is an anti-diagonal.
    """
    parts, count_a, _, count_b = cells.shape
    sums = np.ascontiguousarray(cells[::-1].swapaxes(1, 2)).reshape(parts * parts, -1)
    for border in (sums[:parts], sums[::parts]):
        np.add.accumulate(border, axis=0, out=border)
    for step in range(2, 2 * parts - 1):
        first = max(1, step - parts + 1) * (parts - 1) + step
        last = min(step - 1, parts - 1) * (parts - 1) + step
        left = sums[first - 1 : last : parts - 1]
        above = sums[first - parts : last - parts + 1 : parts - 1]
        sums[first : last + 1 : parts - 1] += np.minimum(left, above)
    return sums[-1].reshape(count_a, count_b)
