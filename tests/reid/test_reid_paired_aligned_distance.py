"""The aligned distance of pairs, row by row, against that of all pairs and against every path."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reid_builders import unit_rows

from reid.distances import aligned_distance, paired_aligned_distance


def bodies(rng: np.random.Generator, count: int, parts: int, dim: int) -> np.ndarray:
    return unit_rows(rng, count, parts, dim)


def visibilities(rng: np.random.Generator, count: int, parts: int) -> np.ndarray:
    """Parts that are hidden, half hidden, and shown."""
    return rng.choice([0.0, 0.3, 1.0], (count, parts)).astype(np.float32)


def cheapest_mean(a: np.ndarray, b: np.ndarray, seen_a: np.ndarray, seen_b: np.ndarray) -> float:
    """Smallest weighted mean of tanh(||f - g|| / 2) over every path; NaN if none gathers weight."""
    parts, best = len(a), math.nan
    for downs in combinations(range(2 * parts - 2), parts - 1):
        i, j, total, weight = 0, 0, 0.0, 0.0
        for step in range(2 * parts - 1):
            here = float(seen_a[i]) * float(seen_b[j])
            total += here * math.tanh(math.dist(a[i].astype(float), b[j].astype(float)) / 2)
            weight += here
            i, j = (i + 1, j) if step in downs else (i, j + 1)
        if weight > 0:
            best = total / weight if math.isnan(best) else min(best, total / weight)
    return best


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 6),
    parts=st.integers(1, 5),
    whole=st.booleans(),
)
def test_pairs_are_the_diagonal_of_all_pairs(
    seed: int, count: int, parts: int, whole: bool
) -> None:
    rng = np.random.default_rng(seed)
    a, b = bodies(rng, count, parts, 4), bodies(rng, count, parts, 4)
    shown = np.ones((count, parts), np.float32)
    seen = [shown, shown] if whole else [visibilities(rng, count, parts) for _ in range(2)]
    found = paired_aligned_distance(a, b, *seen)
    assert found.shape == (count,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.diagonal(aligned_distance(a, b, *seen)), atol=2e-5)


@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize("whole", [True, False])
def test_pairs_by_every_path(parts: int, whole: bool) -> None:
    rng = np.random.default_rng(parts)
    a, b = bodies(rng, 8, parts, 5), bodies(rng, 8, parts, 5)
    seen_a, seen_b = (
        np.ones((8, parts), np.float32) if whole else visibilities(rng, 8, parts) for _ in range(2)
    )
    found = paired_aligned_distance(a, b, seen_a, seen_b)
    expected = [cheapest_mean(*row) for row in zip(a, b, seen_a, seen_b, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_equal_bodies_of_one_part_are_not_apart() -> None:
    body = bodies(np.random.default_rng(0), 3, 1, 4)
    shown = np.ones((3, 1), np.float32)
    np.testing.assert_allclose(paired_aligned_distance(body, body, shown, shown), 0, atol=1e-3)


def test_a_pair_without_a_common_part_is_unknown() -> None:
    rng = np.random.default_rng(2)
    a, b = bodies(rng, 3, 2, 4), bodies(rng, 3, 2, 4)
    seen_a = np.array([[0, 0], [1, 1], [1, 0]], np.float32)
    seen_b = np.array([[1, 1], [0, 0], [1, 0]], np.float32)
    assert np.isnan(paired_aligned_distance(a, b, seen_a, seen_b)).tolist() == [True, True, False]


@pytest.mark.parametrize("whole", [True, False])
def test_nan_stays_in_its_pair(whole: bool) -> None:
    rng = np.random.default_rng(3)
    a, b = bodies(rng, 3, 2, 4), bodies(rng, 3, 2, 4)
    seen = np.ones((3, 2), np.float32)
    if not whole:
        seen[2, 1] = 0.5
    clean = paired_aligned_distance(a, b, seen, seen)
    a[1, 0, 2] = np.nan
    found = paired_aligned_distance(a, b, seen, seen)
    assert np.isnan(found).tolist() == [False, True, False]
    np.testing.assert_array_equal(found[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize(
    ("a", "b", "seen_a", "seen_b", "reason"),
    [
        ((2, 3, 4), (3, 3, 4), (2, 3), (3, 3), "2 and 3 bodies are not pairs"),
        ((2, 3, 4), (2, 2, 4), (2, 3), (2, 2), "do not fit"),
        ((2, 3, 4), (2, 3, 5), (2, 3), (2, 3), "do not fit"),
        ((2, 3), (2, 3), (2, 3), (2, 3), "do not fit"),
        ((2, 3, 4), (2, 3, 4), (2, 2), (2, 3), "visibility"),
        ((2, 3, 4), (2, 3, 4), (2, 3), (1, 3), "visibility"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    a: tuple[int, ...],
    b: tuple[int, ...],
    seen_a: tuple[int, ...],
    seen_b: tuple[int, ...],
    reason: str,
) -> None:
    with pytest.raises(ValueError, match=reason):
        paired_aligned_distance(*(np.ones(shape, np.float32) for shape in (a, b, seen_a, seen_b)))
