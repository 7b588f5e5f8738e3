"""The ID loss of mixed pictures against plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from reid.losses.label_smoothing import label_smoothed_cross_entropy
from reid.losses.mixed_identity import mixed_identity_loss


def by_hand(logits: Tensor, labels: Tensor, shares: Tensor, epsilon: float) -> float:
    """-sum_k q_k log p_k with q mixed from smoothed one-hot vectors."""
    rows, classes = logits.shape
    total = 0.0
    for b in range(rows):
        norm = math.log(sum(math.exp(float(logits[b, k])) for k in range(classes)))
        for k in range(classes):
            q = 0.0
            for m in range(labels.shape[1]):
                hot = 1.0 if int(labels[b, m]) == k else 0.0
                q += float(shares[b, m]) * ((1 - epsilon) * hot + epsilon / classes)
            total -= q * (float(logits[b, k]) - norm)
    return total / rows


def case(rows: int = 4, classes: int = 5, labels: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shares = torch.rand(rows, labels, generator=generator, dtype=torch.float64)
    return (
        torch.randn(rows, classes, generator=generator, dtype=torch.float64),
        torch.randint(0, classes, (rows, labels), generator=generator),
        shares / shares.sum(1, keepdim=True),
    )


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("labels", [1, 2, 4])
def test_by_hand(epsilon: float, labels: int) -> None:
    logits, names, shares = case(labels=labels)
    found = mixed_identity_loss(logits, names, shares, epsilon)
    assert float(found) == pytest.approx(by_hand(logits, names, shares, epsilon), rel=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_one_label_is_the_plain_loss(epsilon: float) -> None:
    logits, names, _ = case(labels=1)
    found = mixed_identity_loss(logits.float(), names, torch.ones(4, 1), epsilon)
    plain = label_smoothed_cross_entropy(logits.float(), names[:, 0], epsilon)
    torch.testing.assert_close(found, plain)


def test_gradcheck() -> None:
    logits, names, shares = case()
    torch.autograd.gradcheck(
        lambda x: mixed_identity_loss(x, names, shares, 0.1), (logits.requires_grad_(),)
    )


def test_half_precision_is_widened() -> None:
    logits, names, shares = case()
    found = mixed_identity_loss(logits.bfloat16(), names, shares.float())
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(by_hand(logits, names, shares, 0), rel=0.02)
