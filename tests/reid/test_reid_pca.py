"""Randomised principal directions against the exact ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from reid.classical.pca import principal_directions


def cloud(count: int, dim: int, decay: float = 0.8) -> NDArray[np.float32]:
    """Centred points whose spread falls by `decay` from one direction to the next."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    points = (rng.normal(size=(count, dim)) * decay ** np.arange(dim)) @ turn
    return (points - points.mean(0)).astype(np.float32)


@pytest.mark.parametrize(("count", "dim", "components"), [(60, 20, 5), (20, 90, 10), (200, 150, 8)])
def test_against_the_covariance_matrix(count: int, dim: int, components: int) -> None:
    points = cloud(count, dim)
    basis, variances = principal_directions(points, components)
    exact, vectors = np.linalg.eigh(np.cov(points.T.astype(np.float64), bias=True))
    np.testing.assert_allclose(variances, exact[::-1][:components], rtol=1e-3)
    overlap = np.abs((basis * vectors[:, ::-1][:, :components]).sum(0))
    assert overlap.min() > 0.999
    np.testing.assert_allclose(basis.T @ basis, np.eye(components), atol=1e-5)


@pytest.mark.parametrize(("count", "dim"), [(6, 4), (4, 6)])
def test_all_components_lose_nothing(count: int, dim: int) -> None:
    points = cloud(count, dim)
    basis, _ = principal_directions(points, min(count, dim))
    np.testing.assert_allclose(points @ basis @ basis.T, points, atol=1e-5)


def test_the_seed_makes_it_repeatable() -> None:
    points = cloud(100, 80, decay=0.99)
    first, again, other = (principal_directions(points, 5, seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("components", [0, -1, 5])
def test_too_many_or_no_components(components: int) -> None:
    with pytest.raises(ValueError, match=r"not in 1\.\.4"):
        principal_directions(cloud(4, 6), components)
