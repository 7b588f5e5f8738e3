"""Constrained clustering: right on small cases, and constraints hold for any evidence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.association.clustering import cluster


def symmetric(rng: np.random.Generator, count: int) -> np.ndarray:
    values = rng.normal(0, 3, (count, count))
    return np.tril(values, -1) + np.tril(values, -1).T


def pairs(rng: np.random.Generator, count: int, share: float) -> np.ndarray:
    chosen = np.tril(rng.random((count, count)) < share, -1)
    return chosen | chosen.T


def none(count: int) -> np.ndarray:
    return np.zeros((count, count), bool)


def closure(required: np.ndarray) -> np.ndarray:
    """What `required` joins over any number of steps."""
    reach = required | np.eye(len(required), dtype=bool)
    for _ in range(len(required)):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    return reach


def by_hand(
    log_odds: np.ndarray, weights: np.ndarray, forbidden: np.ndarray, threshold: float
) -> list[list[int]]:
    """Average linkage, recomputed from all members at every step."""
    groups = [[k] for k in range(len(weights))]
    while True:
        best, choice = threshold, None
        for i in range(len(groups)):
            for j in range(i):
                block = np.ix_(groups[i], groups[j])
                heavy = np.outer(weights[groups[i]], weights[groups[j]])
                mean = (log_odds[block] * heavy).sum() / heavy.sum()
                if not forbidden[block].any() and mean > best:
                    best, choice = mean, (i, j)
        if choice is None:
            return sorted(sorted(group) for group in groups)
        i, j = choice
        groups[j] += groups.pop(i)


def as_groups(labels: np.ndarray) -> list[list[int]]:
    return sorted(np.flatnonzero(labels == label).tolist() for label in np.unique(labels))


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 9),
    threshold=st.sampled_from([-1.0, 0.0, 1.5]),
)
def test_average_linkage_as_computed_by_hand(seed: int, count: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    log_odds, weights = symmetric(rng, count), rng.uniform(0.05, 1, count)
    forbidden = pairs(rng, count, 0.15)
    labels = cluster(log_odds, weights, forbidden, none(count), threshold)
    assert as_groups(labels) == by_hand(log_odds, weights, forbidden, threshold)
    assert all(label == min(group) for group in as_groups(labels) for label in labels[group])


def partitions(items: list[int]) -> Iterator[list[list[int]]]:
    if not items:
        yield []
        return
    first, *rest = items
    for parts in partitions(rest):
        yield [[first], *parts]
        for k in range(len(parts)):
            yield [*parts[:k], [first, *parts[k]], *parts[k + 1 :]]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), people=st.integers(1, 4))
def test_clear_cases_reach_the_best_of_all_partitions(seed: int, people: int) -> None:
    """Correlation clustering: the partition with the largest sum of log odds inside groups."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, people, 6)
    same = who[:, None] == who[None]
    log_odds = np.where(same, 3.0, -3.0) + 0.4 * symmetric(rng, 6) / 3
    found = as_groups(cluster(log_odds, np.ones(6), none(6), none(6)))
    worth = [
        (sum(log_odds[i, j] for g in parts for i in g for j in g if i < j), parts)
        for parts in partitions(list(range(6)))
    ]
    best = max(worth, key=lambda pair: pair[0])[1]
    assert found == sorted(sorted(group) for group in best)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 10))
def test_constraints_are_never_violated(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    required = pairs(rng, count, 0.1)
    forbidden = pairs(rng, count, 0.3)
    reach = closure(required)
    # A pair cannot be both: what is required wins, over any number of steps.
    for i, j in np.argwhere(forbidden):
        if reach[i, j]:
            forbidden[i, j] = forbidden[j, i] = False
    labels = cluster(
        symmetric(rng, count), rng.uniform(0.05, 1, count), forbidden, required, threshold=-5.0
    )
    together = labels[:, None] == labels[None]
    assert together[required].all()
    assert not together[forbidden].any()


@pytest.mark.parametrize(("threshold", "groups"), [(0.9, 1), (1.0, 2), (1.1, 2)])
def test_evidence_must_exceed_the_threshold(threshold: float, groups: int) -> None:
    log_odds = np.array([[0.0, 1.0], [1.0, 0.0]])
    labels = cluster(log_odds, np.ones(2), none(2), none(2), threshold)
    assert len(set(labels.tolist())) == groups


def test_heavy_items_decide() -> None:
    """0 and 1 are one; 2 is like the heavy 0 and unlike the light 1."""
    log_odds = np.array([[0, 5, 2], [5, 0, -4], [2, -4, 0]], float)
    heavy_first = cluster(log_odds, np.array([1.0, 0.1, 1.0]), none(3), none(3))
    heavy_second = cluster(log_odds, np.array([0.1, 1.0, 1.0]), none(3), none(3))
    assert heavy_first.tolist() == [0, 0, 0]
    assert heavy_second.tolist() == [0, 0, 2]


def test_nothing_and_one() -> None:
    assert cluster(none(0) * 1.0, np.zeros(0), none(0), none(0)).tolist() == []
    assert cluster(np.zeros((1, 1)), np.ones(1), none(1), none(1)).tolist() == [0]


def test_the_inputs_are_not_changed() -> None:
    rng = np.random.default_rng(0)
    inputs = [symmetric(rng, 6), rng.uniform(0.1, 1, 6), pairs(rng, 6, 0.2), pairs(rng, 6, 0.1)]
    before = [values.copy() for values in inputs]
    cluster(inputs[0], inputs[1], inputs[2], inputs[3])
    for values, old in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(values, old)
