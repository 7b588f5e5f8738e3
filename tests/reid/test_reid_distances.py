"""The aligned part distance against every path, in float64."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reid_builders import unit_rows

import reid.distances
from reid.distances import aligned_distance, cosine_distance

SEEDS = st.integers(0, 2**32 - 1)


def cell_costs(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(e^x - 1) / (e^x + 1), x = ||f_i - g_j||, one cell at a time."""
    cost = np.zeros((len(a), len(b)))
    for i in range(len(a)):
        for j in range(len(b)):
            x = math.sqrt(sum((float(p) - float(q)) ** 2 for p, q in zip(a[i], b[j], strict=True)))
            cost[i, j] = (math.exp(x) - 1) / (math.exp(x) + 1)
    return cost


def recurrence(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """S_ij = min(S_i-1,j, S_i,j-1) + d_ij at (P, P), over the path's length."""
    cost = cell_costs(a, b)
    total = np.full(cost.shape, np.inf)
    for i in range(len(a)):
        for j in range(len(b)):
            before = [total[i - 1, j]] if i else []
            before += [total[i, j - 1]] if j else []
            total[i, j] = cost[i, j] + (min(before) if before else 0.0)
    return float(total[-1, -1]) / (len(a) + len(b) - 1)


def cheapest_mean(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    seen_a: NDArray[np.float64],
    seen_b: NDArray[np.float64],
) -> float:
    """Smallest weighted mean over all monotone paths; NaN if none gathers weight."""
    cost, parts, best = cell_costs(a, b), len(a), math.nan
    for downs in combinations(range(2 * parts - 2), parts - 1):
        cells, i, j = [(0, 0)], 0, 0
        for step in range(2 * parts - 2):
            i, j = (i + 1, j) if step in downs else (i, j + 1)
            cells.append((i, j))
        weight = sum(seen_a[i] * seen_b[j] for i, j in cells)
        if weight > 0:
            mean = sum(seen_a[i] * seen_b[j] * cost[i, j] for i, j in cells) / weight
            best = mean if math.isnan(best) else min(best, mean)
    return best


@pytest.mark.parametrize(("parts", "dim"), [(1, 3), (2, 4), (4, 16), (8, 64)])
def test_equals_the_recurrence_in_float64(parts: int, dim: int) -> None:
    rng = np.random.default_rng(parts)
    a, b = unit_rows(rng, 5, parts, dim), unit_rows(rng, 3, parts, dim)
    expected = [[recurrence(x, y) for y in b] for x in a]
    np.testing.assert_allclose(aligned_distance(a, b), expected, atol=2e-4)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, parts=st.integers(1, 4))
def test_partial_visibility_equals_the_best_of_all_paths(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 3, parts, 5), unit_rows(rng, 2, parts, 5)
    seen_a = rng.choice([0, 0, 0.5, 1], (3, parts)).astype(np.float32)
    seen_b = rng.choice([0, 0.3, 1], (2, parts)).astype(np.float32)
    expected = [
        [cheapest_mean(a[m], b[n], seen_a[m], seen_b[n]) for n in range(2)] for m in range(3)
    ]
    np.testing.assert_allclose(aligned_distance(a, b, seen_a, seen_b), expected, atol=2e-4)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_symmetric(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 4, 5, 6), unit_rows(rng, 3, 5, 6)
    seen_a, seen_b = rng.random((4, 5), np.float32), rng.random((3, 5), np.float32)
    one, other = aligned_distance(a, b, seen_a, seen_b), aligned_distance(b, a, seen_b, seen_a)
    np.testing.assert_allclose(one, other.T, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, scale=st.floats(0.05, 1))
def test_the_scale_of_the_visibility_does_not_matter(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 2, 4, 6), unit_rows(rng, 3, 4, 6)
    seen_a, seen_b = rng.random((2, 4), np.float32), rng.random((3, 4), np.float32)
    full = aligned_distance(a, b, seen_a, seen_b)
    less = aligned_distance(a, b, seen_a * np.float32(scale), seen_b)
    np.testing.assert_allclose(full, less, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_stays_between_zero_and_the_largest_cell(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit_rows(rng, 3, 6, 4), unit_rows(rng, 3, 6, 4)
    found = aligned_distance(a, b, rng.random((3, 6), np.float32), np.ones((3, 6), np.float32))
    assert np.all((found >= 0) & (found <= math.tanh(1) + 1e-6))


def test_bodies_of_one_colour_are_at_zero() -> None:
    body = np.broadcast_to(unit_rows(np.random.default_rng(0), 1, 1, 8), (1, 6, 8))
    assert aligned_distance(body, body)[0, 0] == pytest.approx(0, abs=1e-3)


def test_equal_parts_cost_nothing_on_the_diagonal() -> None:
    """Equal bodies of P orthogonal parts pay for the P - 1 cells beside the diagonal only."""
    body = np.eye(4, dtype=np.float32)[None]
    beside = math.tanh(math.sqrt(2) / 2)
    assert aligned_distance(body, body)[0, 0] == pytest.approx(3 * beside / 7, abs=1e-5)


def test_opposite_parts_are_as_far_as_possible() -> None:
    body = np.broadcast_to(unit_rows(np.random.default_rng(1), 1, 1, 8), (1, 3, 8))
    assert aligned_distance(body, -body)[0, 0] == pytest.approx(math.tanh(1), abs=1e-5)


def test_a_cut_body_is_compared_with_the_same_parts_of_the_whole_one() -> None:
    """Its path follows the diagonal through the visible parts instead of dodging them."""
    body = np.eye(8, dtype=np.float32)[None]
    cut = np.array([[1, 1, 1, 1, 0, 0, 0, 0]], np.float32)
    beside = math.tanh(math.sqrt(2) / 2)
    found = aligned_distance(body, body, cut, np.ones((1, 8), np.float32))
    assert found[0, 0] == pytest.approx(3 * beside / 7, abs=1e-5)


def test_hiding_parts_that_differ_never_makes_it_larger() -> None:
    rng = np.random.default_rng(3)
    top, a_legs, b_legs = (np.broadcast_to(unit_rows(rng, 1, 1, 16), (1, 4, 16)) for _ in range(3))
    a, b = np.concatenate([top, a_legs], 1), np.concatenate([top, b_legs], 1)
    last = math.inf
    for visible in range(8, 3, -1):
        seen = (np.arange(8) < visible).astype(np.float32)[None]
        found = float(aligned_distance(a, b, seen, seen)[0, 0])
        assert found <= last + 1e-6
        last = found
    assert last == pytest.approx(0, abs=1e-3)


def test_nothing_shared_is_nan_and_one_shared_part_is_not() -> None:
    rng = np.random.default_rng(4)
    a, b = unit_rows(rng, 1, 4, 8), unit_rows(rng, 2, 4, 8)
    middle = np.array([[0, 0, 1, 0]], np.float32)
    found = aligned_distance(a, b, middle, np.concatenate([middle, 0 * middle]))
    assert found[0, 0] == pytest.approx(cell_costs(a[0], b[0])[2, 2], abs=1e-5)
    assert np.isnan(found[0, 1])


def test_full_visibility_is_the_plain_distance() -> None:
    rng = np.random.default_rng(5)
    a, b = unit_rows(rng, 3, 4, 8), unit_rows(rng, 2, 4, 8)
    half = np.full((3, 4), 0.5, np.float32), np.ones((2, 4), np.float32)
    np.testing.assert_allclose(aligned_distance(a, b, *half), aligned_distance(a, b), atol=1e-5)
    ones = np.ones((3, 4), np.float32), np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(aligned_distance(a, b, *ones), aligned_distance(a, b))


@pytest.mark.parametrize("partial", [False, True])
def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, partial: bool) -> None:
    rng = np.random.default_rng(6)
    a, b = unit_rows(rng, 7, 4, 8), unit_rows(rng, 5, 4, 8)
    seen: tuple[NDArray[np.float32], ...] = ()
    if partial:
        seen = rng.random((7, 4), np.float32), rng.random((5, 4), np.float32)
    whole = aligned_distance(a, b, *seen)
    monkeypatch.setattr(reid.distances, "_CHUNK_CELLS", 2 * 5 * 16)
    np.testing.assert_allclose(aligned_distance(a, b, *seen), whole, atol=1e-6)


@pytest.mark.parametrize(("count_a", "count_b"), [(0, 3), (3, 0), (0, 0)])
def test_no_rows(count_a: int, count_b: int) -> None:
    a, b = np.ones((count_a, 4, 8), np.float32), np.ones((count_b, 4, 8), np.float32)
    seen = np.full((count_a, 4), 0.5, np.float32), np.ones((count_b, 4), np.float32)
    assert aligned_distance(a, b).shape == (count_a, count_b)
    assert aligned_distance(a, b, *seen).shape == (count_a, count_b)


def test_parts_and_visibilities_must_fit() -> None:
    a = np.ones((1, 4, 8), np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        aligned_distance(a, np.ones((1, 8, 8), np.float32))
    with pytest.raises(ValueError, match="both"):
        aligned_distance(a, a, np.ones((1, 4), np.float32))


def test_cosine_distance() -> None:
    a = np.array([[1, 0], [0, 1]], np.float32)
    b = np.array([[1, 0], [-1, 0], [0.6, 0.8]], np.float32)
    np.testing.assert_allclose(cosine_distance(a, b), [[0, 2, 0.4], [1, 1, 0.2]], atol=1e-6)
