"""The losses of ACRN against plain loops."""

from __future__ import annotations

import math

import pytest
import torch

from reid.losses.attributes import attribute_triplet, weighted_attribute_loss
from reid.losses.triplet import triplet
from reid.miners.batch_hard import batch_hard
from reid.pairwise import attribute_distances, euclidean_distances


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_weighted_attribute_loss_by_hand() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64)
    targets = torch.tensor([[1, 0, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0]])
    shares = [0.5, 0.1, 0.9]
    total = 0.0
    for row, wanted in zip(logits.tolist(), targets.tolist(), strict=True):
        for value, p, w in zip(row, wanted, shares, strict=True):
            q = 1 / (1 + math.exp(-value))
            total -= p * math.log(q) / (2 * w) + (1 - p) * math.log(1 - q) / (2 * (1 - w))
    found = weighted_attribute_loss(logits, targets, torch.tensor(shares, dtype=torch.float64))
    assert found.item() == pytest.approx(total / 4, rel=1e-12)


def test_both_sides_of_a_rare_attribute_weigh_the_same() -> None:
    targets = torch.tensor([[1.0]] + [[0.0]] * 9)
    logits = torch.zeros(10, 1, requires_grad=True)
    weighted_attribute_loss(logits, targets, torch.tensor([0.1])).backward()
    assert logits.grad is not None
    assert logits.grad[0].item() == pytest.approx(-logits.grad[1:].sum().item())


def test_weighted_attribute_gradient() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    targets, shares = torch.randint(0, 2, (4, 3)), torch.tensor([0.2, 0.5, 0.7])
    assert torch.autograd.gradcheck(
        lambda x: weighted_attribute_loss(x, targets, shares), (logits,)
    )


def test_certain_logits_stay_finite() -> None:
    logits = torch.tensor([[300.0, -300.0]], requires_grad=True)
    loss = weighted_attribute_loss(logits, torch.tensor([[0, 1]]), torch.tensor([0.5, 0.25]))
    loss.backward()
    assert loss.item() == pytest.approx(300 + 600)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, math.nan])
def test_an_attribute_without_examples_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"positive_frequency\[1\]"):
        weighted_attribute_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0.5, share]))


def test_half_precision_is_computed_in_float32() -> None:
    found = weighted_attribute_loss(
        torch.randn(2, 3).bfloat16(), torch.ones(2, 3), torch.full((3,), 0.5)
    )
    assert found.dtype == torch.float32


def test_attribute_triplet_by_hand() -> None:
    generator = torch.Generator().manual_seed(1)
    d_pos, d_neg, a_pos, a_neg = torch.rand(4, 6, generator=generator, dtype=torch.float64)
    total = 0.0
    for p, n, ap, an in zip(*(x.tolist() for x in (d_pos, d_neg, a_pos, a_neg)), strict=True):
        total += max(p - n + 0.3 + 0.5 * (ap - an), 0)
    found = attribute_triplet(d_pos, d_neg, a_pos, a_neg, 0.3, 0.5)
    assert found.item() == pytest.approx(total / 6, rel=1e-12)
    plain = attribute_triplet(d_pos, d_neg, a_pos, a_neg, 0.3, 0.0)
    torch.testing.assert_close(plain, triplet(d_pos, d_neg, 0.3))


def test_attribute_triplet_gradient() -> None:
    pairs = [torch.rand(6, dtype=torch.float64).requires_grad_() for _ in range(4)]
    assert torch.autograd.gradcheck(lambda *d: attribute_triplet(*d, 0.3, 0.5), pairs)


def test_a_negative_with_other_attributes_is_pushed_less() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    distances = euclidean_distances(torch.randn(4, 3))
    selection = batch_hard(distances, labels)
    alike = attribute_distances(torch.ones(4, 2))
    different = attribute_distances(torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]))
    losses = [
        attribute_triplet(
            *selection.gather(distances), *selection.gather(by_attributes), 5.0, 0.5
        ).item()
        for by_attributes in (alike, different)
    ]
    assert losses[1] == pytest.approx(losses[0] - 0.5 * 2)
