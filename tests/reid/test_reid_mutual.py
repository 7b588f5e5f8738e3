"""Mutual learning against plain loops, and where its gradients may and may not flow."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from reid.losses.mutual import metric_mutual, mutual_kl


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def softmax(row: list[float], temperature: float) -> list[float]:
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def divergence(target: Tensor, student: Tensor, temperature: float) -> float:
    """Mean over rows of sum_m p_t log (p_t / p_s)."""
    total = 0.0
    for wanted, found in zip(target.tolist(), student.tolist(), strict=True):
        p, q = softmax(wanted, temperature), softmax(found, temperature)
        total += sum(x * math.log(x / y) for x, y in zip(p, q, strict=True))
    return total / len(target)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 4.0])
def test_mutual_kl_by_hand(temperature: float) -> None:
    a, b = torch.randn(2, 3, 5, dtype=torch.float64)
    expected = temperature**2 * (divergence(b, a, temperature) + divergence(a, b, temperature))
    assert mutual_kl(a, b, temperature).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_each_student_learns_with_the_other_held_fixed(temperature: float) -> None:
    a, b = torch.randn(2, 3, 5, dtype=torch.float64)
    a, b = a.requires_grad_(), b.requires_grad_()
    found = torch.autograd.grad(mutual_kl(a, b, temperature), (a, b))
    step = 1e-6
    for student, target, gradient in ((a, b, found[0]), (b, a, found[1])):
        for place in ((0, 0), (2, 3)):
            moved = torch.zeros_like(student)
            moved[place] = step
            above = divergence(target, student + moved, temperature)
            below = divergence(target, student - moved, temperature)
            slope = temperature**2 * (above - below) / (2 * step)
            assert gradient[place].item() == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_the_temperature_must_be_positive(temperature: float) -> None:
    with pytest.raises(ValueError, match="mutual_kl: temperature"):
        mutual_kl(torch.zeros(1, 2), torch.zeros(1, 2), temperature)


def test_equal_students_have_nothing_to_learn() -> None:
    logits, distances = torch.randn(4, 6), torch.rand(4, 4)
    assert mutual_kl(logits, logits + 3).item() == pytest.approx(0, abs=1e-6)
    assert metric_mutual(distances, distances).item() == 0


def test_certain_students_stay_finite() -> None:
    a = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = mutual_kl(a, -a.detach().bfloat16())
    loss.backward()
    assert loss.item() == pytest.approx(800)
    assert a.grad is not None
    assert a.grad.isfinite().all()


def test_metric_mutual_by_hand() -> None:
    a, b = torch.rand(2, 4, 4, dtype=torch.float64)
    a, b = a.requires_grad_(), b.requires_grad_()
    rows_a, rows_b = a.tolist(), b.tolist()
    total = sum(2 * (rows_a[i][j] - rows_b[i][j]) ** 2 for i in range(4) for j in range(4))
    loss = metric_mutual(a, b)
    assert loss.item() == pytest.approx(total / 16, rel=1e-12)
    gradient_a, gradient_b = torch.autograd.grad(loss, (a, b))
    # without the stopped gradients each would be twice as large
    torch.testing.assert_close(gradient_a, 2 * (a - b) / 16)
    torch.testing.assert_close(gradient_b, 2 * (b - a) / 16)
    jacobian = torch.autograd.functional.jacobian
    mixed = jacobian(
        lambda b: torch.autograd.grad(metric_mutual(a, b), a, create_graph=True)[0], b.detach()
    )
    assert torch.as_tensor(mixed).eq(0).all()  # ZG makes the Hessian diagonal
