"""Cheapest paths through the P x P part costs of many pairs at once, for NumPy and torch alike.

Cells are an array (P, m, P, n): part P - 1 - i of m bodies against part j of n others. The first
body's parts run upwards, so that the cells of one anti-diagonal, i + j = s, are a plain diagonal
of the array, and the recurrence needs one vectorised step for all of them.

`xp` is the module `numpy` or `torch`: what is used of it has the same name in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

Array = Any
"""A NumPy array or a torch tensor."""

_MEAN_ROUNDS = 12
_MEAN_TOLERANCE = 1e-6


def fewest_cells(part_count: int) -> int:
    """Length of the shortest path with free ends: half the parts, rounded up."""
    return math.ceil(part_count / 2)


class PathSweep:
    """S_ij = min(S_i-1,j, S_i,j-1) + d_ij, one anti-diagonal after the other.

    It keeps views and buffers, so that the caller can refill `cells` in place and sweep again; an
    instance belongs to one thread.

    Args:
        cells: (P, m, P, n) costs d, or what else is to be summed.
        weights: of the same shape; their sums along the cheapest paths are the gains.
    """

    def __init__(self, xp: Any, cells: Array, weights: Array | None = None) -> None:
        self._xp = xp
        self.part_count = len(cells)
        self._cells = _diagonals(xp, cells)
        self._weights = None if weights is None else _diagonals(xp, weights)
        shape = (len(cells) + 1, cells.shape[1], cells.shape[3])
        self._sums = [_zeros(cells, shape) + math.inf for _ in range(2)]
        self._gains = self._sums if weights is None else [_zeros(cells, shape) for _ in range(2)]
        self._sum_steps = _steps(self._sums)
        self._gain_steps = _steps(self._gains)

    def rows(self, first: int = 0) -> Iterator[tuple[int, Array, Array]]:
        """Yield (s, sums, gains) for the anti-diagonals s from `first` to the last, 2P - 2.

        Paths start in the two ends of anti-diagonal `first` < P. Sums and gains are (P + 1, m, n):
        row j + 1 belongs to cell (s - j, j). They are valid until the next but one is asked for.
        Without weights the gains mean nothing.

        Cells out of reach cost infinity: those of `first`, and where a longer anti-diagonal looks
        beyond the end of the one before. Row 0 is never written.
        """
        sums, gains = self._sums[first % 2], self._gains[first % 2]
        sums[2:] = math.inf
        self._sums[1 - first % 2][first + 3 :: 2] = math.inf
        for j in (0, first):
            sums[j + 1] = self._cells[first][j]
            if self._weights is not None:
                gains[j + 1] = self._weights[first][j]
        yield first, sums, gains
        for step in range(first + 1, 2 * self.part_count - 1):
            self._advance(step)
            yield step, self._sums[step % 2], self._gains[step % 2]

    def _advance(self, step: int) -> None:
        xp = self._xp
        left, above, here = self._sum_steps[step]
        if self._weights is not None:
            left_gain, above_gain, gain = self._gain_steps[step]
            gain[...] = xp.where(left < above, left_gain, above_gain)
            gain += self._weights[step]
        xp.minimum(left, above, out=here)
        here += self._cells[step]


def cheapest_sum(sweep: PathSweep) -> Array:
    """(m, n): cost of the cheapest path from the first to the last cell; valid until next used."""
    for _, sums, _ in sweep.rows():
        last = sums
    return last[sweep.part_count]


def cheapest_free_mean(xp: Any, sweep: PathSweep) -> Array:
    """(m, n): smallest mean along a path with free ends, see `reid.distances.aligned_distance`.

    All paths from one anti-diagonal to another are equally long, so the smallest sum for every
    first anti-diagonal decides, divided by the length.
    """
    best = None
    for step, first, sums, _ in _free_ends(sweep):
        mean = sums / (step - first + 1)
        best = mean if best is None else xp.minimum(best, mean)
    return best


def cheapest_weighted_mean(xp: Any, cells: Array, weights: Array, free_ends: bool) -> Array:
    """(m, n): smallest weighted mean of the cells along a path, NaN where no weight is met.

    Dinkelbach's method: the path of the smallest sum of w (d - mean) has a smaller mean, until
    none has. It starts above every cost, so that every visible cell is worth a detour.

    Args:
        cells: (P, m, P, n) costs below 1.
        weights: of the same shape, 0 or more.
    """
    shifted = weights * (cells - 1)
    sweep = PathSweep(xp, shifted, weights)
    sums, gains = _best_end(xp, sweep, free_ends)
    some = gains > 0
    mean = xp.where(some, 1 + sums / xp.where(some, gains, 1), math.nan)
    for _ in range(_MEAN_ROUNDS):
        xp.subtract(cells, mean[:, None], out=shifted)
        xp.multiply(shifted, weights, out=shifted)
        sums, gains = _best_end(xp, sweep, free_ends)
        better = mean + sums / xp.where(gains > 0, gains, 1)
        done = not bool((better < mean - _MEAN_TOLERANCE).any())
        mean = xp.minimum(mean, better)
        if done:
            break
    return mean


def _best_end(xp: Any, sweep: PathSweep, free_ends: bool) -> tuple[Array, Array]:
    """Smallest sum over the paths that are allowed, and its gain; both (m, n)."""
    if not free_ends:
        for _, sums, gains in sweep.rows():
            last = sums, gains
        return last[0][sweep.part_count], last[1][sweep.part_count]
    best, best_gain = None, None
    for _, _, sums, gains in _free_ends(sweep):
        if best is None:
            best, best_gain = sums + 0, gains + 0
            continue
        best_gain = xp.where(sums < best, gains, best_gain)
        best = xp.minimum(best, sums)
    return best, best_gain


def _free_ends(sweep: PathSweep) -> Iterator[tuple[int, int, Array, Array]]:
    """Yield (s, first, sums, gains) of every last cell of a path with free ends, (m, n) each."""
    count = sweep.part_count
    for first in range(count):
        for step, sums, gains in sweep.rows(first):
            if step < count - 1 or step - first + 1 < fewest_cells(count):
                continue
            for row in {count, step - count + 2}:
                yield step, first, sums[row], gains[row]


def _diagonals(xp: Any, cells: Array) -> list[Array]:
    """Views (cells of the anti-diagonal, m, n), the smallest j first."""
    count = len(cells)
    return [
        xp.moveaxis(cells.diagonal(step - count + 1, 0, 2), -1, 0) for step in range(2 * count - 1)
    ]


def _steps(buffers: list[Array]) -> list[tuple[Array, Array, Array]]:
    """Views (rows to the left, rows above, own rows) of every anti-diagonal; the first is unused.

    Anti-diagonal s lives in buffer s mod 2, cell (s - j, j) in row j + 1.
    """
    count = len(buffers[0]) - 1
    views = []
    for step in range(2 * count - 1):
        low, high = max(0, step - count + 1), min(step, count - 1) + 1
        before, here = buffers[1 - step % 2], buffers[step % 2]
        views.append((before[low:high], before[low + 1 : high + 1], here[low + 1 : high + 1]))
    return views


def _zeros(like: Array, shape: tuple[int, ...]) -> Array:
    """Zeros of the kind of array, data type and device of another one."""
    if isinstance(like, np.ndarray):
        return np.zeros(shape, like.dtype)
    return like.new_zeros(shape)
