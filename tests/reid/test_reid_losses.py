"""Label smoothing and distillation against hand-written references, and their gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from reid.losses.distillation import cosine_distillation, similarity_distillation
from reid.losses.label_smoothing import label_smoothed_cross_entropy


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def norm(x: Tensor, y: Tensor) -> float:
    return math.sqrt(sum((float(p) - float(q)) ** 2 for p, q in zip(x, y, strict=True)))


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


@pytest.mark.parametrize("loss", [cosine_distillation, similarity_distillation])
def test_distillation_gradients(loss: object) -> None:
    student = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(4, 5, dtype=torch.float64)
    assert callable(loss)
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), (student,))


def test_half_precision_is_computed_in_float32() -> None:
    logits, labels = torch.randn(3, 4).bfloat16(), torch.tensor([1, 0, 3])
    found = label_smoothed_cross_entropy(logits, labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, label_smoothed_cross_entropy(logits.float(), labels))
    student, teacher = torch.randn(4, 5).bfloat16(), torch.randn(4, 5)
    for loss in (cosine_distillation, similarity_distillation):
        assert loss(student, teacher).dtype == torch.float32
