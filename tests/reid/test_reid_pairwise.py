"""The batch distances against plain loops in float64, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reid.distances import aligned_distance
from reid.pairwise import (
    aligned_distances,
    attribute_distances,
    cheapest_path,
    cosine_distances,
    euclidean_distances,
    squared_euclidean_distances,
)

Distance = Callable[[Tensor], Tensor]
FEATURE_DISTANCES = [
    euclidean_distances,
    squared_euclidean_distances,
    cosine_distances,
    attribute_distances,
]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def square(x: Tensor, y: Tensor) -> float:
    return sum((float(p) - float(q)) ** 2 for p, q in zip(x, y, strict=True))


def cosine_distance(x: Tensor, y: Tensor) -> float:
    dot = sum(float(p) * float(q) for p, q in zip(x, y, strict=True))
    return 1 - dot / math.sqrt(square(x, 0 * x) * square(y, 0 * y))


def path(cost: list[list[float]]) -> float:
    """The recurrence S_ij = min(S_i-1,j, S_i,j-1) + d_ij on lists."""
    total: dict[tuple[int, int], float] = {}
    for i in range(len(cost)):
        for j in range(len(cost)):
            before = [total[k] for k in ((i - 1, j), (i, j - 1)) if k in total]
            total[i, j] = cost[i][j] + (min(before) if before else 0.0)
    return total[len(cost) - 1, len(cost) - 1]


def aligned(x: Tensor, y: Tensor) -> float:
    def cell(p: Tensor, q: Tensor) -> float:
        power = math.exp(math.sqrt(square(p, q)))
        return (power - 1) / (power + 1)

    return path([[cell(p, q) for q in y] for p in x])


def by_hand(features: Tensor, distance: Callable[[Tensor, Tensor], float]) -> Tensor:
    rows = [[distance(x, y) for y in features] for x in features]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 1e-5)]
)
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (euclidean_distances, lambda x, y: math.sqrt(square(x, y))),
        (squared_euclidean_distances, square),
        (attribute_distances, square),
        (cosine_distances, cosine_distance),
    ],
)
def test_feature_distances_by_hand(
    found: Distance,
    expected: Callable[[Tensor, Tensor], float],
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    features = torch.randn(6, 5).to(dtype)
    distances = found(features)
    assert distances.dtype == (torch.float32 if dtype == torch.bfloat16 else dtype)
    wanted = by_hand(features.double(), expected)
    torch.testing.assert_close(distances.double(), wanted, atol=tolerance, rtol=0)


@pytest.mark.parametrize("distance", FEATURE_DISTANCES)
def test_feature_distance_gradients(distance: Distance) -> None:
    features = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(distance, (features,))
    assert torch.autograd.gradgradcheck(distance, (features,))


def test_distances_far_from_the_origin_keep_their_digits() -> None:
    points = torch.tensor([[0.0, 0.0], [0.3, 0.4], [0.0, 0.5]]) + 1000
    wanted = by_hand(points.double(), lambda x, y: math.sqrt(square(x, y)))
    torch.testing.assert_close(euclidean_distances(points).double(), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("distance", [euclidean_distances, cosine_distances])
def test_autocast_does_not_coarsen_distances(distance: Distance) -> None:
    features = torch.randn(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = distance(features)
    torch.testing.assert_close(found, distance(features), atol=0, rtol=0)


@pytest.mark.parametrize("distance", [euclidean_distances, squared_euclidean_distances])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_features_are_at_zero_with_gradient_zero(
    distance: Distance, dtype: torch.dtype
) -> None:
    features = torch.ones(4, 3, dtype=dtype, requires_grad=True)
    distances = distance(features)
    assert distances.eq(0).all()
    distances.sum().backward()
    assert features.grad is not None
    assert features.grad.eq(0).all()


def test_equal_parts_and_zero_vectors_have_finite_gradients() -> None:
    parts = torch.ones(3, 4, 5, requires_grad=True)
    aligned_distances(parts).sum().backward()
    nothing = torch.zeros(3, 4, requires_grad=True)
    distances = cosine_distances(nothing)
    distances.sum().backward()
    assert distances.eq(1).all()
    for gradient in (parts.grad, nothing.grad):
        assert gradient is not None
        assert gradient.isfinite().all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
def test_a_metric(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = scale * torch.randn(5, 3, generator=generator, dtype=torch.float64)
    distances = euclidean_distances(features)
    torch.testing.assert_close(distances, distances.T, atol=1e-9 * scale, rtol=0)
    detours = (distances[:, :, None] + distances[None]).amin(1)
    assert (distances <= detours + 1e-9 * scale).all()
    assert distances.diagonal().eq(0).all()


def test_attribute_weights_scale_the_attributes() -> None:
    attributes = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
    weights = torch.tensor([2.0, 0.5, 7.0])
    distances = attribute_distances(attributes, weights)
    assert distances.tolist() == [[0, 4.25], [4.25, 0]]


@pytest.mark.parametrize("parts", [1, 2, 5, 8])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_aligned_distances_by_hand(parts: int, dtype: torch.dtype, tolerance: float) -> None:
    features = torch.randn(3, parts, 4, dtype=dtype)
    distances = aligned_distances(features)
    assert distances.dtype == dtype
    wanted = by_hand(features, aligned)
    torch.testing.assert_close(distances.double(), wanted, atol=tolerance, rtol=0)


def test_aligned_distance_gradient() -> None:
    parts = torch.randn(3, 3, 4, dtype=torch.float64)
    apart = torch.triu_indices(3, 3, 1)  # equal parts, as on the diagonal, have a kink

    def upper(parts: Tensor) -> Tensor:
        return aligned_distances(parts)[apart[0], apart[1]]

    assert torch.autograd.gradcheck(upper, (parts.requires_grad_(),))


def test_search_and_training_agree_on_the_aligned_distance() -> None:
    parts = torch.nn.functional.normalize(torch.randn(5, 6, 8), dim=2)
    search = aligned_distance(parts.numpy(), parts.numpy())
    training = aligned_distances(parts).numpy() / (2 * 6 - 1)
    np.testing.assert_allclose(training, search, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 9), seed=st.integers(0, 10_000))
def test_the_cheapest_path_by_hand(size: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    costs = torch.rand(size, size, 3, generator=generator, dtype=torch.float64)
    expected = [path(one.tolist()) for one in costs.unbind(2)]
    assert cheapest_path(costs).tolist() == pytest.approx(expected, rel=1e-12)


def test_the_path_goes_around_a_wall() -> None:
    costs = torch.tensor([[1.0, 9, 9], [1, 9, 9], [1, 2, 3]])
    assert cheapest_path(costs).item() == 8


def test_the_gradient_of_a_path_is_one_on_its_cells() -> None:
    costs = torch.tensor([[1.0, 9, 9], [1, 9, 9], [1, 2, 3]], requires_grad=True)
    cheapest_path(costs).backward()
    assert costs.grad is not None
    assert costs.grad.tolist() == [[1, 0, 0], [1, 0, 0], [1, 1, 1]]
