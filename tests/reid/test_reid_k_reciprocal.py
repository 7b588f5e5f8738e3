"""k-reciprocal re-ranking against plain loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import reid.rerank.k_reciprocal
import reid.rerank.neighbours
from reid.rerank.k_reciprocal import k_reciprocal_distances
from reid.rerank.neighbours import smallest

SEEDS = st.integers(0, 2**32 - 1)
Features = NDArray[np.float32]


def by_loops(
    query: Features, gallery: Features, k1: int, k2: int, weight: float
) -> NDArray[np.float64]:
    """The definition, one set and one pair at a time."""
    points = [[float(x) for x in row] for row in (*query, *gallery)]
    number = len(points)
    d = [[sum((x - y) ** 2 for x, y in zip(p, q, strict=True)) for q in points] for p in points]
    d = [[cell / max(row) for cell in row] for row in d]
    order = [sorted(range(number), key=row.__getitem__) for row in d]

    def reciprocal(p: int, k: int) -> set[int]:
        return {q for q in order[p][: k + 1] if p in order[q][: k + 1]}

    encoding = []
    for p in range(number):
        wide = set(reciprocal(p, k1))
        for q in reciprocal(p, k1):
            other = reciprocal(q, round(k1 / 2))
            if len(other & reciprocal(p, k1)) > 2 / 3 * len(other):
                wide |= other
        values = [math.exp(-d[p][q]) if q in wide else 0.0 for q in range(number)]
        encoding.append([value / sum(values) for value in values])
    averaged = [
        [sum(encoding[q][j] for q in order[p][:k2]) / len(order[p][:k2]) for j in range(number)]
        for p in range(number)
    ]
    out = np.empty((len(query), len(gallery)))
    for i in range(len(query)):
        for g in range(len(gallery)):
            a, b = averaged[i], averaged[len(query) + g]
            low = sum(min(x, y) for x, y in zip(a, b, strict=True))
            high = sum(max(x, y) for x, y in zip(a, b, strict=True))
            out[i, g] = (1 - weight) * (1 - low / high) + weight * d[i][len(query) + g]
    return out


def people(seed: int, query: int, gallery: int, dim: int = 6) -> tuple[Features, Features]:
    """Unit features of a few identities with noise."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(5, dim))
    rows = centres[rng.integers(0, 5, query + gallery)] + rng.normal(
        scale=0.5, size=(query + gallery, dim)
    )
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rows[:query], rows[query:]


@pytest.mark.parametrize(
    ("k1", "k2", "weight"), [(20, 6, 0.3), (5, 3, 0.3), (6, 1, 0.0), (1, 1, 0.5), (7, 2, 1.0)]
)
def test_equals_the_loops(k1: int, k2: int, weight: float) -> None:
    query, gallery = people(k1, 8, 40)
    expected = by_loops(query, gallery, k1, k2, weight)
    found = k_reciprocal_distances(query, gallery, k1, k2, weight)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    ranked = np.take_along_axis(expected, found.argsort(1), 1)
    assert np.all(np.diff(ranked) > -1e-6)  # the same order, but for ties


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, k1=st.integers(1, 12), k2=st.integers(1, 5))
def test_equals_the_loops_on_any_data(seed: int, k1: int, k2: int) -> None:
    query, gallery = people(seed, 4, 16)
    expected = by_loops(query, gallery, k1, k2, 0.3)
    np.testing.assert_allclose(k_reciprocal_distances(query, gallery, k1, k2), expected, atol=1e-5)


@pytest.mark.parametrize(("query_count", "gallery_count"), [(1, 1), (2, 3), (3, 1)])
def test_fewer_points_than_neighbours(query_count: int, gallery_count: int) -> None:
    query, gallery = people(1, query_count, gallery_count)
    expected = by_loops(query, gallery, 20, 6, 0.3)
    np.testing.assert_allclose(k_reciprocal_distances(query, gallery), expected, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, cells=st.integers(1, 3000), together=st.integers(1, 9))
def test_the_size_of_the_blocks_changes_nothing(seed: int, cells: int, together: int) -> None:
    query, gallery = people(seed, 9, 30)
    whole = k_reciprocal_distances(query, gallery)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reid.rerank.neighbours, "_BLOCK_CELLS", cells)
        patch.setattr(reid.rerank.k_reciprocal, "_QUERIES_AT_ONCE", together)
        np.testing.assert_allclose(k_reciprocal_distances(query, gallery), whole, atol=2e-6)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_the_order_of_the_gallery_does_not_matter(seed: int) -> None:
    query, gallery = people(seed, 4, 20)
    order = np.random.default_rng(seed).permutation(20)
    whole = k_reciprocal_distances(query, gallery, 6, 3)
    np.testing.assert_allclose(
        k_reciprocal_distances(query, gallery[order], 6, 3), whole[:, order], atol=2e-6
    )


def test_the_jaccard_distance_is_symmetric_and_zero_for_a_copy() -> None:
    query, gallery = people(3, 6, 12)
    one = k_reciprocal_distances(query, gallery, 5, 3, 0.0)
    other = k_reciprocal_distances(gallery, query, 5, 3, 0.0)
    np.testing.assert_allclose(one, other.T, atol=2e-6)
    same = np.ones((3, 4), np.float32)
    np.testing.assert_allclose(k_reciprocal_distances(same, same, 20, 6), 0, atol=1e-6)


def test_neighbours_shared_by_many_beat_a_lonely_nearer_point() -> None:
    """The nearest gallery point is a stranger whose own neighbours are others."""
    query = np.array([[0.0, 0.0]], np.float32)
    same = [[0.5, 0.1 * k] for k in range(-2, 3)]
    stranger = [[-0.45, 0.0], *([-0.6 - 0.02 * k, 0.0] for k in range(8))]
    gallery = np.array(same + stranger, np.float32)
    plain = ((query[:, None] - gallery[None]) ** 2).sum(2)
    assert plain.argmin() == 5
    assert k_reciprocal_distances(query, gallery, 5, 1, 0.1).argmin() < 5


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, columns=st.integers(1, 90), count=st.integers(1, 6))
def test_smallest_values_by_groups(seed: int, columns: int, count: int) -> None:
    block = np.random.default_rng(seed).normal(size=(5, columns)).astype(np.float32)
    count = min(count, columns)
    values, found = smallest(torch.from_numpy(block), count)
    expected = np.sort(block, axis=1)[:, :count]
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(np.take_along_axis(block, found.numpy(), 1), expected)


def test_tensors_give_tensors() -> None:
    query, gallery = people(4, 5, 14)
    expected = k_reciprocal_distances(query, gallery, 6, 3)
    a, b = torch.from_numpy(query).requires_grad_(True), torch.from_numpy(gallery)
    found = k_reciprocal_distances(a, b, 6, 3)
    assert isinstance(found, torch.Tensor)
    assert not found.requires_grad
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize(("query_count", "gallery_count"), [(0, 4), (3, 0), (0, 0)])
def test_no_rows(query_count: int, gallery_count: int) -> None:
    query, gallery = np.ones((query_count, 5), np.float32), np.ones((gallery_count, 5), np.float32)
    assert k_reciprocal_distances(query, gallery).shape == (query_count, gallery_count)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k1": 0}, "k1 0"),
        ({"k2": 0}, "k2 0"),
        ({"weight": 1.1}, "weight 1.1"),
        ({"query": np.full((2, 3), np.nan, np.float32)}, "query features hold NaN"),
        ({"gallery": np.full((2, 3), np.inf, np.float32)}, "gallery features hold NaN"),
        ({"gallery": np.ones((2, 4), np.float32)}, "do not fit"),
        ({"query": np.ones(3, np.float32)}, "query features"),
    ],
)
def test_bad_input(change: dict[str, object], message: str) -> None:
    given_input = {"query": np.ones((2, 3), np.float32), "gallery": np.ones((4, 3), np.float32)}
    with pytest.raises(ValueError, match=message):
        k_reciprocal_distances(**(given_input | change))  # type: ignore[call-overload]
