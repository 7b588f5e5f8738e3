"""One-to-one assignment under a limit, by the Jonker-Volgenant algorithm (`lap`)."""

from __future__ import annotations

import lap
import numpy as np
from numpy.typing import NDArray


def assign(cost: NDArray[np.floating], limit: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of least total cost among those that cost less than `limit`.

    Args:
        cost: (M, N); infinity or NaN forbids a pair.
        limit: a pair that costs `limit` or more is worse than leaving both alone.

    Returns:
        rows, columns: (K,) each, rows ascending.
    """
    empty = np.zeros(0, np.int64)
    if cost.size == 0:
        return empty, empty
    bounded = np.where(np.isfinite(cost), cost, limit + 1e5).astype(np.float64)
    _, column_of_row, _ = lap.lapjv(bounded, extend_cost=True, cost_limit=limit)
    rows = np.flatnonzero(column_of_row >= 0)
    columns = column_of_row[rows].astype(np.int64)
    good = bounded[rows, columns] < limit
    return rows[good].astype(np.int64), columns[good]
