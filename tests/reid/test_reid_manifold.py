"""The supervised smoothed manifold against the dense iteration and its limit, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import reid.rerank.manifold
from reid.rerank.manifold import smoothed_manifold_distances

SEEDS = st.integers(0, 2**32 - 1)
Matrix = NDArray[np.float64]


def graph(points: list[NDArray[np.float32]], labels: list[int], k: int) -> tuple[Matrix, Matrix]:
    """P and L of the definition, one pair at a time; the labelled points come last."""
    rows = np.concatenate(points).astype(np.float64)
    number, unlabelled = len(rows), len(rows) - len(labels)
    square = np.array(
        [[sum((x - y) ** 2 for x, y in zip(p, q, strict=True)) for q in rows] for p in rows]
    )
    near = [
        sorted((j for j in range(number) if j != i), key=square[i].__getitem__)[:k]
        for i in range(number)
    ]
    scale = np.mean([square[i, j] for i in range(number) for j in near[i]])
    w, l_matrix = np.eye(number), np.eye(number)
    for i in range(number):
        for j in range(number):
            if i != j and (j in near[i] or i in near[j]):
                w[i, j] = math.exp(-square[i, j] / scale)
            l_matrix[i, j] = w[i, j]
            if min(i, j) >= unlabelled:
                l_matrix[i, j] = labels[i - unlabelled] == labels[j - unlabelled]
    return w / w.sum(1, keepdims=True), l_matrix


def iterated(p: Matrix, l_matrix: Matrix, alpha: float, iterations: int) -> Matrix:
    """Q_ki(t + 1) = alpha sum_l,j P_kl P_ij Q_lj(t) + (1 - alpha) L_ki."""
    q = l_matrix.copy()
    for _ in range(iterations):
        q = alpha * np.einsum("kl,ij,lj->ki", p, p, q) + (1 - alpha) * l_matrix
    return q


def limit(p: Matrix, l_matrix: Matrix, alpha: float) -> Matrix:
    """The fixed point: (I - alpha P x P) vec Q = (1 - alpha) vec L."""
    system = np.eye(p.size) - alpha * np.kron(p, p)
    return np.linalg.solve(system, (1 - alpha) * l_matrix.ravel()).reshape(p.shape)


def points(seed: int, *counts: int) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(count, 4)).astype(np.float32) for count in counts]


@pytest.mark.parametrize("labels", [[], [0, 0, 1, 1, 1, 2]])
@pytest.mark.parametrize(("alpha", "iterations"), [(0.5, 10), (0.8, 3), (0.0, 4), (0.9, 0)])
def test_equals_the_dense_iteration(labels: list[int], alpha: float, iterations: int) -> None:
    sets = points(len(labels), 3, 8, len(labels))
    p, l_matrix = graph(sets, labels, 3)
    expected = 1 - iterated(p, l_matrix, alpha, iterations)[:3, 3:11]
    extra: tuple[Any, ...] = (sets[2], np.array(labels)) if labels else ()
    found = smoothed_manifold_distances(
        *sets[:2], *extra, neighbours=3, alpha=alpha, iterations=iterations
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, labelled=st.booleans())
def test_tends_to_the_closed_form(seed: int, labelled: bool) -> None:
    labels = [0, 1, 0, 1] if labelled else []
    sets = points(seed, 2, 5, len(labels))
    p, l_matrix = graph(sets, labels, 2)
    expected = 1 - limit(p, l_matrix, 0.6)[:2, 2:7]
    extra: tuple[Any, ...] = (sets[2], np.array(labels)) if labelled else ()
    found = smoothed_manifold_distances(*sets[:2], *extra, neighbours=2, alpha=0.6, iterations=40)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_symmetric_and_between_zero_and_one(seed: int) -> None:
    a, b = points(seed, 4, 9)
    one = smoothed_manifold_distances(a, b, neighbours=3)
    other = smoothed_manifold_distances(b, a, neighbours=3)
    np.testing.assert_allclose(one, other.T, atol=2e-6)
    assert np.all((one >= -1e-6) & (one <= 1 + 1e-6))


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, cells=st.integers(1, 2000))
def test_the_size_of_the_blocks_changes_nothing(seed: int, cells: int) -> None:
    a, b = points(seed, 6, 9)
    whole = smoothed_manifold_distances(a, b, neighbours=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reid.rerank.manifold, "_BLOCK_CELLS", cells)
        found = smoothed_manifold_distances(a, b, neighbours=3)
    np.testing.assert_allclose(found, whole, atol=2e-6)


def test_labels_bring_two_views_of_one_person_together() -> None:
    """Query and gallery picture are far apart, each beside a training view of the same person."""
    query, gallery = np.array([[0.0, 0.0]]), np.array([[5.0, 0.0], [0.0, 5.0]])
    train = np.array([[0.1, 0.0], [5.0, 0.1], [0.0, 5.1], [9.0, 9.0]])
    found = smoothed_manifold_distances(query, gallery, train, np.array([7, 7, 8, 9]), neighbours=1)
    without = smoothed_manifold_distances(query, gallery, neighbours=1)
    assert found[0, 0] < found[0, 1] - 0.1
    assert without[0, 0] == pytest.approx(without[0, 1], abs=1e-6)


def test_a_copy_is_nearest_and_all_equal_points_are_at_zero() -> None:
    a, b = points(5, 3, 10)
    b[4] = a[1]
    assert smoothed_manifold_distances(a, b, neighbours=3)[1].argmin() == 4
    same = np.ones((4, 3), np.float32)
    np.testing.assert_allclose(smoothed_manifold_distances(same, same, neighbours=7), 0, atol=1e-5)


def test_more_neighbours_than_points() -> None:
    sets = points(6, 2, 3)
    p, l_matrix = graph(sets, [], 50)
    expected = 1 - iterated(p, l_matrix, 0.5, 10)[:2, 2:]
    found = smoothed_manifold_distances(*sets, neighbours=50)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_tensors_give_tensors() -> None:
    a, b = points(7, 3, 8)
    found = smoothed_manifold_distances(torch.from_numpy(a), torch.from_numpy(b), neighbours=3)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found, smoothed_manifold_distances(a, b, neighbours=3))


@pytest.mark.parametrize(("count_q", "count_g"), [(0, 4), (3, 0), (0, 0)])
def test_no_rows(count_q: int, count_g: int) -> None:
    found = smoothed_manifold_distances(*points(0, count_q, count_g))
    assert found.shape == (count_q, count_g)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neighbours": 0}, "neighbours 0"),
        ({"iterations": -1}, "iterations -1"),
        ({"alpha": 1.0}, "alpha 1.0"),
        ({"query": np.full((2, 4), np.nan)}, "query features hold NaN"),
        ({"train": np.ones((2, 4))}, "2 training features"),
        ({"train_labels": np.ones(2)}, "0 training features"),
        ({"gallery": np.ones((2, 3))}, "do not fit"),
        ({"train": np.ones((1, 3)), "train_labels": np.ones(1)}, "do not fit"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    given_input: dict[str, Any] = {"query": np.ones((2, 4)), "gallery": np.ones((3, 4))}
    with pytest.raises(ValueError, match=message):
        smoothed_manifold_distances(**(given_input | change))
