"""The training losses against hand-written float64 references, and their gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from reid.losses import trihard
from reid.losses.aligned import aligned_trihard_loss, part_distances, shortest_path
from reid.losses.distillation import cosine_distillation, similarity_distillation
from reid.losses.label_smoothing import label_smoothed_cross_entropy
from reid.losses.trihard import euclidean_distances, hardest_pairs, trihard_loss, triplet_margin


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the losses' `.float()` keep float64, so that gradcheck is exact."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)


def norm(x: Tensor, y: Tensor) -> float:
    return math.sqrt(sum((float(p) - float(q)) ** 2 for p, q in zip(x, y, strict=True)))


def trihard_by_hand(features: Tensor, labels: list[int], margin: float) -> float:
    """Mean over anchors of (max d_AP - min d_AN + margin)+."""
    total = 0.0
    for a, label in enumerate(labels):
        ways = [(norm(features[a], features[b]), other) for b, other in enumerate(labels)]
        far = max(distance for distance, other in ways if other == label)
        near = min(distance for distance, other in ways if other != label)
        total += max(far - near + margin, 0)
    return total / len(labels)


@pytest.mark.parametrize("margin", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [0, 0, 0, 1, 1, 2], [3, 1, 3, 1, 2, 2]])
def test_trihard_by_hand(labels: list[int], margin: float) -> None:
    features = torch.randn(len(labels), 7)
    found = trihard_loss(features, torch.tensor(labels), margin)
    # float32 has the distance of a feature to itself at up to 1e-3
    assert float(found) == pytest.approx(trihard_by_hand(features, labels, margin), abs=1e-3)


def test_the_hardest_pairs() -> None:
    distances = torch.tensor(
        [[0.0, 1, 2, 9], [1, 0, 3, 4], [2, 3, 0, 5], [9, 4, 5, 0]], dtype=torch.float32
    )
    positive, negative = hardest_pairs(distances, torch.tensor([0, 0, 0, 1]))
    assert positive.tolist() == [2, 2, 1, 3]
    assert negative.tolist() == [3, 3, 3, 1]


def test_one_identity_has_no_negative() -> None:
    with pytest.raises(ValueError, match="two identities"):
        hardest_pairs(torch.zeros(2, 2), torch.tensor([1, 1]))


def test_euclidean_distances() -> None:
    points = torch.tensor([[0.0, 0], [3, 4], [0, 4]])
    expected = torch.tensor([[0.0, 5, 4], [5, 0, 3], [4, 3, 0]])
    torch.testing.assert_close(euclidean_distances(points), expected, atol=1e-5, rtol=0)


def test_equal_features_have_finite_gradients() -> None:
    features = torch.ones(4, 3, requires_grad=True)
    trihard_loss(features, torch.tensor([0, 0, 1, 1])).backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_triplet_margin() -> None:
    near, far = torch.tensor([1.0, 1.0, 3.0]), torch.tensor([2.0, 1.1, 1.0])
    assert float(triplet_margin(near, far, 0.3)) == pytest.approx((0 + 0.2 + 2.3) / 3)


@pytest.mark.usefixtures("float64")
def test_trihard_gradient() -> None:
    features = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    assert torch.autograd.gradcheck(lambda f: trihard.trihard_loss(f, labels, 2.0), (features,))


def path_by_hand(cost: Tensor) -> float:
    """The recurrence S_ij = min(S_i-1,j, S_i,j-1) + d_ij on one matrix of lists."""
    total: dict[tuple[int, int], float] = {}
    for i in range(len(cost)):
        for j in range(len(cost)):
            before = [total[k] for k in ((i - 1, j), (i, j - 1)) if k in total]
            total[i, j] = float(cost[i, j]) + (min(before) if before else 0.0)
    return total[len(cost) - 1, len(cost) - 1]


@pytest.mark.parametrize("parts", [1, 2, 5, 8])
def test_shortest_path_by_hand(parts: int) -> None:
    cost = torch.rand(6, parts, parts, dtype=torch.float64)
    expected = [path_by_hand(one) for one in cost]
    assert shortest_path(cost).tolist() == pytest.approx(expected)


def test_the_path_around_a_wall() -> None:
    cost = torch.tensor([[[1.0, 9, 9], [1, 9, 9], [1, 2, 3]]])
    assert shortest_path(cost).tolist() == [8]


def test_part_distances_by_hand() -> None:
    a, b = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    for n in range(2):
        for i in range(3):
            for j in range(3):
                x = math.exp(norm(a[n, i], b[n, j]))
                expected = (x - 1) / (x + 1)
                found = float(part_distances(a, b)[n, i, j])
                assert found == pytest.approx(expected, abs=1e-5)


def test_aligned_trihard_by_hand() -> None:
    parts = torch.randn(4, 3, 5)
    positive, negative = torch.tensor([1, 0, 3, 2]), torch.tensor([2, 3, 0, 1])
    total = 0.0
    for a in range(4):
        near, far = (
            path_by_hand(part_distances(parts[a : a + 1], parts[b : b + 1])[0])
            for b in (int(positive[a]), int(negative[a]))
        )
        total += max(near - far + 0.3, 0)
    found = aligned_trihard_loss(parts, positive, negative, 0.3)
    assert float(found) == pytest.approx(total / 4, abs=1e-5)


def test_aligned_gradient() -> None:
    parts = torch.randn(4, 3, 4, dtype=torch.float64, requires_grad=True)
    positive, negative = torch.tensor([1, 0, 3, 2]), torch.tensor([2, 3, 0, 1])
    assert torch.autograd.gradcheck(
        lambda p: aligned_trihard_loss(p, positive, negative, 3.0), (parts,)
    )


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_label_smoothing_by_hand(epsilon: float) -> None:
    logits, labels = torch.randn(3, 4), [2, 0, 3]
    total = 0.0
    for row, label in zip(logits.tolist(), labels, strict=True):
        logs = [value - math.log(sum(math.exp(v) for v in row)) for value in row]
        wanted = [epsilon / 4 + (1 - epsilon) * (k == label) for k in range(4)]
        total -= sum(q * p for q, p in zip(wanted, logs, strict=True))
    found = label_smoothed_cross_entropy(logits, torch.tensor(labels), epsilon)
    assert float(found) == pytest.approx(total / 3, abs=1e-5)


@pytest.mark.usefixtures("float64")
def test_label_smoothing_gradient() -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([1, 0, 3])
    assert torch.autograd.gradcheck(lambda x: label_smoothed_cross_entropy(x, labels), (logits,))


def cosine(x: Tensor, y: Tensor) -> float:
    dot = sum(float(p) * float(q) for p, q in zip(x, y, strict=True))
    return dot / norm(x, 0 * x) / norm(y, 0 * y)


def test_cosine_distillation_by_hand() -> None:
    student, teacher = torch.randn(5, 6), torch.randn(5, 6)
    expected = sum(1 - cosine(s, t) for s, t in zip(student, teacher, strict=True)) / 5
    assert float(cosine_distillation(student, teacher)) == pytest.approx(expected, abs=1e-5)
    assert float(cosine_distillation(3 * teacher, teacher)) == pytest.approx(0, abs=1e-6)


def test_similarity_distillation_by_hand() -> None:
    student, teacher = torch.randn(4, 3), torch.randn(4, 6)
    expected = (
        sum(
            (cosine(student[i], student[j]) - cosine(teacher[i], teacher[j])) ** 2
            for i in range(4)
            for j in range(4)
        )
        / 16
    )
    assert float(similarity_distillation(student, teacher)) == pytest.approx(expected, abs=1e-5)


def test_a_rotated_teacher_has_the_same_similarities() -> None:
    teacher = torch.randn(4, 3)
    rotation = torch.linalg.qr(torch.randn(3, 3))[0]
    assert float(similarity_distillation(teacher @ rotation, teacher)) == pytest.approx(0, abs=1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("loss", [cosine_distillation, similarity_distillation])
def test_distillation_gradients(loss: object) -> None:
    student = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(4, 5, dtype=torch.float64)
    assert callable(loss)
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), (student,))
