"""XQDA against covariances of enumerated pairs and explicit inverses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reid.classical.xqda import Xqda, learn_xqda, pair_covariances
from reid.errors import ReidError

Labelled = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]


def samples(seed: int, count: int = 30, dim: int = 5, cameras: int = 3) -> Labelled:
    """Points near the centre of their identity, moved by their camera."""
    rng = np.random.default_rng(seed)
    identities = rng.integers(0, 5, count)
    seen = rng.integers(1, cameras + 1, count)
    identities[:4], seen[:4] = (0, 0, 1, 1), (1, 2, 1, 2)
    centres, shifts = 2 * rng.normal(size=(5, dim)), rng.normal(size=(cameras + 1, dim))
    noise = rng.normal(size=(count, dim))
    return centres[identities] + 0.3 * shifts[seen] + noise + 50, identities, seen


def pairs_by_hand(
    points: NDArray[np.float64], identities: NDArray[np.int64], cameras: NDArray[np.int64]
) -> dict[bool, tuple[NDArray[np.float64], int]]:
    """Every pair of two cameras -> {same identity: (mean outer product, pairs)}."""
    dim = points.shape[1]
    sums = {True: np.zeros((dim, dim)), False: np.zeros((dim, dim))}
    counts = {True: 0, False: 0}
    for i, j in itertools.combinations(range(len(points)), 2):
        if cameras[i] == cameras[j]:
            continue
        same = bool(identities[i] == identities[j])
        counts[same] += 1
        for a in range(dim):
            for b in range(dim):
                sums[same][a, b] += (points[i, a] - points[j, a]) * (points[i, b] - points[j, b])
    return {same: (sums[same] / counts[same], counts[same]) for same in sums}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_covariances_by_hand(seed: int, cameras: int) -> None:
    points, identities, seen = samples(seed, count=20, dim=3, cameras=cameras)
    found = pair_covariances(points, identities, seen)
    expected = pairs_by_hand(points, identities, seen)
    assert (found.intra_pairs, found.extra_pairs) == (expected[True][1], expected[False][1])
    np.testing.assert_allclose(found.intra, expected[True][0], atol=1e-9)
    np.testing.assert_allclose(found.extra, expected[False][0], atol=1e-9)


def test_two_views_as_in_the_paper() -> None:
    """n_I cov_I = sum_k (m_k Z Z^T + n_k X X^T - s r^T - r s^T), and so for all pairs."""
    points, identities, seen = samples(1, cameras=2)
    points = points - 50
    intra, count = np.zeros((5, 5)), 0
    for k in np.unique(identities):
        x, z = (points[(identities == k) & (seen == camera)] for camera in (1, 2))
        s, r = x.sum(0), z.sum(0)
        intra += len(z) * x.T @ x + len(x) * z.T @ z - np.outer(s, r) - np.outer(r, s)
        count += len(x) * len(z)
    x, z = points[seen == 1], points[seen == 2]
    s, r = x.sum(0), z.sum(0)
    total = len(z) * x.T @ x + len(x) * z.T @ z - np.outer(s, r) - np.outer(r, s)
    found = pair_covariances(points, identities, seen)
    np.testing.assert_allclose(found.intra, intra / count, atol=1e-9)
    extra = (total - intra) / (len(x) * len(z) - count)
    np.testing.assert_allclose(found.extra, extra, atol=1e-9)


def test_names_of_labels_do_not_matter() -> None:
    points, identities, seen = samples(2)
    one = pair_covariances(points, identities, seen)
    other = pair_covariances(points, 1000 - 7 * identities, 3 * seen - 50)
    np.testing.assert_array_equal(one.intra_pairs, other.intra_pairs)
    np.testing.assert_allclose(one.intra, other.intra, atol=1e-9)
    np.testing.assert_allclose(one.extra, other.extra, atol=1e-9)


def explicit_metric(metric: Xqda, labelled: Labelled, regulariser: float) -> NDArray[np.float64]:
    """W (inv(W^T cov_I W) - inv(W^T cov_E W)) W^T with columns of W of length 1."""
    pairs = pairs_by_hand(*labelled)
    intra = pairs[True][0] + regulariser * np.eye(len(pairs[True][0]))
    w = metric.subspace / np.linalg.norm(metric.subspace, axis=0)
    middle = np.linalg.inv(w.T @ intra @ w) - np.linalg.inv(w.T @ pairs[False][0] @ w)
    return w @ middle @ w.T


@pytest.mark.parametrize("regulariser", [0.001, 0.5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_metric_by_explicit_inverses(seed: int, regulariser: float) -> None:
    labelled = samples(seed)
    metric = learn_xqda(*labelled, regulariser)
    expected = explicit_metric(metric, labelled, regulariser)
    found = metric.projection @ metric.projection.T
    np.testing.assert_allclose(found, expected, atol=1e-9)
    x, z = labelled[0][3], labelled[0][9]
    distance = float(np.square((x - z) @ metric.projection).sum())
    assert distance == pytest.approx(float((x - z) @ expected @ (x - z)), rel=1e-9)


def test_the_subspace_is_that_of_eigenvalues_above_1() -> None:
    labelled = samples(3)
    pairs = pairs_by_hand(*labelled)
    intra = pairs[True][0] + 0.001 * np.eye(5)
    every = np.sort(np.linalg.eigvals(np.linalg.inv(intra) @ pairs[False][0]).real)[::-1]
    metric = learn_xqda(*labelled)
    np.testing.assert_allclose(metric.eigenvalues, every[every > 1], rtol=1e-9)
    for w, value in zip(metric.subspace.T, metric.eigenvalues, strict=True):
        assert (w @ pairs[False][0] @ w) / (w @ intra @ w) == pytest.approx(value)


def test_directions_that_tell_nothing_are_left_out() -> None:
    rng = np.random.default_rng(4)
    _, identities, seen = samples(4, count=400)
    points = rng.normal(size=(400, 2))
    points[:, 0] = identities + 0.1 * points[:, 0]
    points[:, 1] = np.where(np.arange(400) % 2, 3.0, -3.0) * (1 + (identities == seen))
    metric = learn_xqda(points, identities, seen)
    assert metric.eigenvalues[0] > 50
    strengths = np.abs(metric.projection[:, 0])
    assert strengths[0] > 20 * strengths[1]


@pytest.mark.parametrize("count", [12, 25])
def test_more_dimensions_than_pictures_by_thin_qr(count: int) -> None:
    labelled = samples(5, count=count, dim=40)
    metric = learn_xqda(*labelled)
    assert metric.subspace.shape == (40, len(metric.eigenvalues))
    expected = explicit_metric(metric, labelled, 0.001)
    found = metric.projection @ metric.projection.T
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    pairs = pairs_by_hand(*labelled)
    intra = pairs[True][0] + 0.001 * np.eye(40)
    every = np.sort(np.linalg.eigvals(np.linalg.inv(intra) @ pairs[False][0]).real)[::-1]
    np.testing.assert_allclose(metric.eigenvalues, every[every > 1], rtol=1e-6)


def test_rotation_does_not_change_distances() -> None:
    points, identities, seen = samples(6)
    turn = np.linalg.qr(np.random.default_rng(6).normal(size=(5, 5)))[0]
    one = points @ learn_xqda(points, identities, seen).projection
    turned = points @ turn
    other = turned @ learn_xqda(turned, identities, seen).projection
    for i, j in itertools.combinations(range(8), 2):
        a, b = np.square(one[i] - one[j]).sum(), np.square(other[i] - other[j]).sum()
        assert a == pytest.approx(b, rel=1e-8)


def test_it_ranks_better_than_euclidean_distance() -> None:
    """A few directions carry identity, many carry loud noise; judged on other people."""
    rng = np.random.default_rng(7)
    identities, seen = np.repeat(np.arange(80), 4), np.tile([1, 1, 2, 2], 80)
    points = rng.normal(size=(320, 20)) * 3
    points[:, :4] = rng.normal(size=(80, 4))[identities] + 0.2 * rng.normal(size=(320, 4))
    learnt = learn_xqda(points[:160], identities[:160], seen[:160])

    def rank1(features: NDArray[np.float64]) -> float:
        query, gallery = features[160::4], features[162::4]
        distances = np.square(query[:, None] - gallery[None]).sum(2)
        return float((distances.argmin(1) == np.arange(40)).mean())

    assert rank1(points[:, :20] @ learnt.projection) > 0.8 > 0.4 > rank1(points)


@pytest.mark.parametrize(
    ("identities", "cameras", "message"),
    [
        ([0, 0, 1, 1], [1, 1, 1, 1], "no identity was seen by two cameras"),
        ([0, 1, 2, 3], [1, 2, 1, 2], "no identity was seen by two cameras"),
        ([4, 4, 4, 4], [1, 2, 1, 2], "no two identities"),
    ],
)
def test_labels_without_pairs(identities: list[int], cameras: list[int], message: str) -> None:
    points = np.random.default_rng(0).normal(size=(4, 2))
    with pytest.raises(ReidError, match=message):
        learn_xqda(points, np.array(identities), np.array(cameras))


def test_nothing_to_learn() -> None:
    identities, cameras = np.repeat([0, 1, 2], 2), np.tile([1, 2], 3)
    with pytest.raises(ReidError, match="no direction"):
        learn_xqda(np.ones((6, 2)), identities, cameras)


@pytest.mark.parametrize(
    ("shape", "labels", "regulariser", "message"),
    [
        ((4, 2), 3, 0.001, "3 identities"),
        ((4,), 4, 0.001, "features"),
        ((4, 2), 4, 0.0, "regulariser 0.0"),
        ((4, 2), 4, -1.0, "regulariser -1.0"),
    ],
)
def test_bad_input(shape: tuple[int, ...], labels: int, regulariser: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        learn_xqda(np.zeros(shape), np.zeros(labels, np.int64), np.ones(labels, int), regulariser)
