"""The assignment against scipy's, which knows no limit: leaving a pair alone is padded in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from trackers.assignment import assign


def least_total(cost: np.ndarray, limit: float) -> float:
    """Least sum over pairs of (cost - limit), by giving every row its own way out for `limit`."""
    padded = np.concatenate([cost, np.full((len(cost), len(cost)), limit)], 1)
    padded = np.where(np.isfinite(padded), padded, 1e9)
    rows, columns = linear_sum_assignment(padded)
    return float((padded[rows, columns] - limit).sum())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    limit=st.sampled_from([0.2, 0.5, 1.0, 5.0]),
    missing=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_least_total_cost_one_to_one_below_the_limit(
    seed: int, shape: tuple[int, int], limit: float, missing: float
) -> None:
    rng = np.random.default_rng(seed)
    cost = rng.random(shape)
    cost[rng.random(shape) < missing] = rng.choice([np.inf, np.nan])
    rows, columns = assign(cost, limit)
    assert rows.dtype == columns.dtype == np.int64
    assert len(set(columns.tolist())) == len(columns)
    assert (np.diff(rows) > 0).all()
    assert (cost[rows, columns] < limit).all()
    found = float((cost[rows, columns] - limit).sum())
    assert found == pytest.approx(least_total(cost, limit), abs=1e-9)


def test_negative_costs_and_limit_zero() -> None:
    cost = np.array([[-3.0, -2.0], [-2.5, np.inf]])
    rows, columns = assign(cost, 0.0)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_a_pair_at_the_limit_stays_alone() -> None:
    assert assign(np.array([[0.5]]), 0.5)[0].size == 0
    assert assign(np.array([[0.49]]), 0.5)[0].tolist() == [0]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_assign(shape: tuple[int, int]) -> None:
    rows, columns = assign(np.zeros(shape), 1.0)
    assert rows.shape == columns.shape == (0,)


def test_the_costs_are_not_changed() -> None:
    cost = np.array([[np.nan, 0.1], [np.inf, 0.2]])
    before = cost.copy()
    assign(cost, 1.0)
    np.testing.assert_array_equal(cost, before)
