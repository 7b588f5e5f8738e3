"""Losses of pairs, triplets and quadruplets, alone and with mined pairs, against plain loops."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reid.losses.contrastive import contrastive
from reid.losses.improved_triplet import improved_triplet
from reid.losses.quadruplet import absolute_quadruplet, quadruplet
from reid.losses.triplet import triplet
from reid.miners.all_pairs import all_pairs
from reid.miners.base import pick
from reid.miners.batch_hard import batch_hard
from reid.miners.margin_sample import margin_sample
from reid.miners.opposite_pairs import opposite_pairs
from reid.pairwise import aligned_distances, euclidean_distances


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def plus(value: float) -> float:
    return max(value, 0.0)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


POS, NEG, OTHER = [1.0, 1.0, 3.0], [2.0, 1.1, 1.0], [1.5, 4.0, 0.2]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda p, n, c: contrastive(p, n, 1.5), 5 / 3 + (0 + 0.4 + 0.5) / 3),
        (lambda p, n, c: contrastive(p, n[:2], 1.5), 5 / 3 + (0 + 0.4) / 2),
        (lambda p, n, c: triplet(p, n, 0.3), (0 + 0.2 + 2.3) / 3),
        (lambda p, n, c: triplet(p, n, 0.0), (0 + 0 + 2) / 3),
        (
            lambda p, n, c: triplet(p, n, None),
            (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-0.1)) + math.log(1 + math.exp(2)))
            / 3,
        ),
        (lambda p, n, c: improved_triplet(p, n, 0.3, 0.5), (2.5 + 0.5 + 0.5 + 2.5) / 3),
        (lambda p, n, c: quadruplet(p, n, c, 0.3, 0.1), (2.5 + 0 + 0 + 2.9) / 3),
        (lambda p, n, c: quadruplet(p, n, c, 0.3, 0.7), (2.5 + 0.2 + 0 + 3.5) / 3),
        (lambda p, n, c: absolute_quadruplet(p, n, c, 0.3, 0.5), (2.5 + 3.5 + 0.6) / 3),
        (lambda p, n, c: absolute_quadruplet(p, n, c, 0.3, 2.0), (2.5 + 1 + 0.8 + 2.1) / 3),
    ],
)
def test_the_equations(loss: Callable[..., Tensor], expected: float) -> None:
    pairs = [torch.tensor(values, dtype=torch.float64) for values in (POS, NEG, OTHER)]
    assert loss(*pairs).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "loss",
    [
        lambda p, n, c: contrastive(p, n, 1.5),
        lambda p, n, c: triplet(p, n, 0.3),
        lambda p, n, c: triplet(p, n, None),
        lambda p, n, c: improved_triplet(p, n, 0.3, 0.5),
        lambda p, n, c: quadruplet(p, n, c, 0.3, 0.1),
        lambda p, n, c: absolute_quadruplet(p, n, c, 0.3, 0.5),
    ],
)
def test_gradients(loss: Callable[..., Tensor]) -> None:
    pairs = [torch.rand(5, dtype=torch.float64).requires_grad_() for _ in range(3)]
    assert torch.autograd.gradcheck(loss, tuple(pairs))


def test_the_soft_margin_does_not_overflow() -> None:
    gap = torch.tensor([1000.0], requires_grad=True)
    loss = triplet(gap, torch.zeros(1), None)
    loss.backward()
    assert loss.item() == 1000
    assert gap.grad is not None
    assert gap.grad.item() == 1


def norm(x: Tensor, y: Tensor) -> float:
    return math.sqrt(sum((float(p) - float(q)) ** 2 for p, q in zip(x, y, strict=True)))


def hardest_by_hand(
    features: Tensor, labels: list[int]
) -> tuple[list[float], list[float], list[int]]:
    """Per anchor with a positive: farthest positive, nearest negative, and the negative's index."""
    near, far, negative = [], [], []
    for a, label in enumerate(labels):
        ways = [(norm(features[a], features[i]), i) for i in range(len(labels))]
        same = [way for way, i in ways if labels[i] == label and i != a]
        if same:
            way, index = min((way, i) for way, i in ways if labels[i] != label)
            near.append(max(same))
            far.append(way)
            negative.append(index)
    return near, far, negative


@pytest.mark.parametrize("margin", [0.0, 0.3, 5.0])
@pytest.mark.parametrize(
    "labels", [[0, 0, 1, 1], [0, 0, 0, 1, 1, 2], [3, 1, 3, 1, 2, 2], [0, 1, 2, 2]]
)
def test_trihard_by_hand(labels: list[int], margin: float) -> None:
    features = torch.randn(len(labels), 7, dtype=torch.float64)
    near, far, _ = hardest_by_hand(features, labels)
    expected = mean([plus(p - n + margin) for p, n in zip(near, far, strict=True)])
    distances = euclidean_distances(features)
    selection = batch_hard(distances, torch.tensor(labels))
    assert triplet(*selection.gather(distances), margin).item() == pytest.approx(expected)


def test_trihard_gradient() -> None:
    labels = torch.tensor([0, 0, 1, 1, 2])

    def trihard(features: Tensor) -> Tensor:
        distances = euclidean_distances(features)
        return triplet(*batch_hard(distances, labels).gather(distances), 2.0)

    features = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(trihard, (features,))


def test_equal_features_have_finite_gradients() -> None:
    features = torch.ones(4, 3, requires_grad=True)
    distances = euclidean_distances(features)
    selection = batch_hard(distances, torch.tensor([0, 0, 1, 1]))
    triplet(*selection.gather(distances), 0.3).backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_aligned_triplets_are_mined_by_the_global_distance() -> None:
    labels = torch.tensor([0, 0, 1, 1, 1])
    features = torch.randn(5, 3, dtype=torch.float64)
    parts = torch.randn(5, 4, 2, dtype=torch.float64, requires_grad=True)
    selection = batch_hard(euclidean_distances(features), labels)
    aligned = aligned_distances(parts)
    rows = aligned.tolist()
    expected = []
    for a in range(5):
        ways = [(norm(features[a], features[i]), i) for i in range(5) if i != a]
        _, p = max((way, i) for way, i in ways if labels[i] == labels[a])
        _, n = min((way, i) for way, i in ways if labels[i] != labels[a])
        expected.append(plus(rows[a][p] - rows[a][n] + 3.0))
    found = triplet(*selection.gather(aligned), 3.0)
    assert found.item() == pytest.approx(mean(expected))
    assert torch.autograd.gradcheck(
        lambda x: triplet(*selection.gather(aligned_distances(x)), 3.0), (parts,)
    )


def test_msml_by_hand() -> None:
    labels = [0, 0, 1, 1, 2, 2]
    features = torch.randn(6, 4, dtype=torch.float64)
    pairs = [(i, j) for i in range(6) for j in range(i)]
    near = max(norm(features[i], features[j]) for i, j in pairs if labels[i] == labels[j])
    far = min(norm(features[i], features[j]) for i, j in pairs if labels[i] != labels[j])
    distances = euclidean_distances(features)
    selection = margin_sample(distances, torch.tensor(labels))
    found = triplet(*selection.gather(distances), 0.5)
    assert near - far + 0.5 > 0
    assert found.item() == pytest.approx(near - far + 0.5)


def test_contrastive_over_a_batch_by_hand() -> None:
    labels = [0, 0, 1, 1, 1]
    features = torch.randn(5, 4, dtype=torch.float64)
    near, far = [], []
    for i in range(5):
        for j in range(i):
            way = norm(features[i], features[j])
            if labels[i] == labels[j]:
                near.append(way)
            else:
                far.append(plus(3.0 - way))
    distances = euclidean_distances(features)
    selection = all_pairs(distances, torch.tensor(labels))
    found = contrastive(*selection.gather(distances), 3.0)
    assert found.item() == pytest.approx(mean(near) + mean(far))


def test_quadruplets_over_a_batch_by_hand() -> None:
    labels = [0, 0, 1, 1, 2, 2, 3]
    features = torch.randn(7, 4, dtype=torch.float64)
    near, far, negative = hardest_by_hand(features, labels)
    other = []
    for a, b in enumerate(negative):  # the first six images are the anchors
        thirds = [i for i in range(7) if labels[i] not in (labels[a], labels[b])]
        other.append(min(norm(features[b], features[i]) for i in thirds))
    expected = [
        plus(p - n + 1.0) + plus(p - c + 0.5) for p, n, c in zip(near, far, other, strict=True)
    ]
    distances, identities = euclidean_distances(features), torch.tensor(labels)
    selection = batch_hard(distances, identities)
    d_other = pick(distances, opposite_pairs(selection, distances, identities))
    found = quadruplet(*selection.gather(distances), d_other, 1.0, 0.5)
    assert found.item() == pytest.approx(mean(expected))
