"""Part masks, what is pooled with them, and their losses, against plain loops in float64."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor

from reid.heads.part_masks import PartMasks, mask_visibility, masked_mean, salient
from reid.losses.part_masks import (
    foreground_entropy,
    mask_overlap,
    mask_starvation,
    part_mask_loss,
)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def random_masks(batch: int = 2, parts: int = 3, hw: tuple[int, int] = (4, 3)) -> Tensor:
    """(batch, parts + 1, h, w) float64."""
    return (2 * torch.randn(batch, parts + 1, *hw, dtype=torch.float64)).softmax(1)


@pytest.mark.parametrize(("parts", "height", "prior"), [(1, 4, 2.0), (3, 8, 2.0), (4, 6, 0.0)])
def test_masks_by_hand(parts: int, height: int, prior: float) -> None:
    masks = PartMasks(5, parts, prior).double()
    torch.nn.init.normal_(masks.score.weight)
    torch.nn.init.normal_(masks.score.bias)
    maps = torch.randn(2, 5, height, 3, dtype=torch.float64)
    found = masks(maps)
    weight, bias = (p.detach() for p in masks.score.parameters())
    for b in range(2):
        for y in range(height):
            for x in range(3):
                powers = []
                for k in range(parts + 1):
                    logit = float(bias[k])
                    logit += sum(float(weight[k, c, 0, 0] * maps[b, c, y, x]) for c in range(5))
                    if k < parts:
                        logit -= prior * (parts * (y + 0.5) / height - k - 0.5) ** 2
                    powers.append(math.exp(logit))
                expected = [p / sum(powers) for p in powers]
                assert found[b, :, y, x].tolist() == pytest.approx(expected)


def test_new_masks_are_stripes_from_top_to_bottom() -> None:
    found = PartMasks(8, 4, 2.0)(torch.rand(2, 8, 16, 4))
    strongest = found[:, :4].argmax(1)
    assert (strongest == torch.arange(16)[:, None] // 4).all()


def test_masked_mean_by_hand() -> None:
    maps = torch.randn(2, 5, 4, 3, dtype=torch.float64)
    masks = random_masks()
    found = masked_mean(maps, masks)
    for b in range(2):
        for k in range(4):
            for c in range(5):
                paid = weight = 0.0
                for y in range(4):
                    for x in range(3):
                        paid += float(masks[b, k, y, x] * maps[b, c, y, x])
                        weight += float(masks[b, k, y, x])
                assert float(found[b, k, c]) == pytest.approx(paid / weight)


def test_an_empty_mask_pools_zero() -> None:
    found = masked_mean(torch.randn(1, 3, 2, 2), torch.zeros(1, 1, 2, 2))
    assert found.tolist() == [[[0.0, 0.0, 0.0]]]


@pytest.mark.parametrize("least_area", [0.0, 0.1, 0.5])
def test_visibility_by_hand(least_area: float) -> None:
    masks = random_masks()
    found = mask_visibility(masks, least_area)
    for b in range(2):
        for k in range(4):
            values = [float(v) for v in masks[b, k].flatten()]
            expected = sum(v * v for v in values) / max(sum(values), least_area * 12)
            assert float(found[b, k]) == pytest.approx(expected)


def test_visibility_of_crisp_faint_and_small_parts() -> None:
    masks = torch.zeros(1, 3, 10, 10)
    masks[0, 0, :5] = 1
    masks[0, 1] = 0.02
    masks[0, 2, 0, 0] = 1
    found = mask_visibility(masks, least_area=0.04)
    assert found[0].tolist() == pytest.approx([1.0, 0.01, 0.25])


def test_salient_by_hand() -> None:
    maps = torch.randn(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    found = salient(maps)
    assert not found.requires_grad
    for b in range(2):
        norms = [
            [math.sqrt(sum(float(v) ** 2 for v in maps[b, :, y, x])) for x in range(2)]
            for y in range(3)
        ]
        mean = sum(map(sum, norms)) / 6
        assert found[b].tolist() == [[float(n > mean) for n in row] for row in norms]


def overlap_by_hand(masks: Tensor) -> float:
    total = []
    for one in masks:
        flat = [[float(v) for v in mask.flatten()] for mask in one]
        for a, b in combinations(flat, 2):
            dot = sum(p * q for p, q in zip(a, b, strict=True))
            norm = math.sqrt(sum(p * p for p in a)) * math.sqrt(sum(q * q for q in b))
            total.append(dot / norm)
    return sum(total) / len(total)


def starvation_by_hand(masks: Tensor, least_share: float) -> float:
    batch, count, height, width = masks.shape
    total = 0.0
    for k in range(count):
        area = float(masks[:, k].sum()) / (batch * height * width)
        total += max(0.0, 1 - area / (least_share / count))
    return total / count


def entropy_by_hand(foreground: Tensor, saliency: Tensor) -> float:
    total = 0.0
    for f, s in zip(foreground.flatten().tolist(), saliency.flatten().tolist(), strict=True):
        total -= s * math.log(f) + (1 - s) * math.log(1 - f)
    return total / foreground.numel()


@pytest.mark.parametrize("parts", [1, 3, 6])
def test_losses_by_hand(parts: int) -> None:
    masks = random_masks(parts=parts)
    saliency = torch.rand(2, 4, 3, dtype=torch.float64)
    overlap, starved = overlap_by_hand(masks), starvation_by_hand(masks, 1.1)
    entropy = entropy_by_hand(1 - masks[:, -1], saliency)
    assert float(mask_overlap(masks)) == pytest.approx(overlap)
    assert float(mask_starvation(masks, 1.1)) == pytest.approx(starved)
    assert float(foreground_entropy(1 - masks[:, -1], saliency)) == pytest.approx(entropy)
    whole = part_mask_loss(masks, saliency, overlap=0.3, starvation=2.0, foreground=0.7)
    expected = 0.3 * overlap + 2 * starvation_by_hand(masks, 0.5) + 0.7 * entropy
    assert float(whole) == pytest.approx(expected)


def test_perfect_masks_lose_nothing() -> None:
    """Three stripes, the last one background."""
    masks = torch.zeros(2, 3, 6, 4)
    for k in range(3):
        masks[:, k, 2 * k : 2 * k + 2] = 1
    assert float(part_mask_loss(masks, 1 - masks[:, -1])) == pytest.approx(0, abs=1e-5)


def test_a_part_that_is_nowhere_is_called_back() -> None:
    masks = torch.zeros(1, 4, 2, 2, requires_grad=True)
    with torch.no_grad():
        masks[:, 0] = 1
    mask_starvation(masks).backward()
    assert masks.grad is not None
    assert (masks.grad[:, 1:] < 0).all()


def test_loss_gradients() -> None:
    logits = torch.randn(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    saliency = torch.rand(2, 3, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: part_mask_loss(x.softmax(1), saliency, 1.0, 3.0, 1.0), (logits,)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    masks, saliency = random_masks().to(dtype), torch.ones(2, 4, 3, dtype=dtype)
    found = part_mask_loss(masks, saliency)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(
        float(part_mask_loss(masks.double(), saliency.double())), rel=1e-5
    )


def test_masks_learn_parts_and_person_without_labels() -> None:
    """A person of three colours on a background that responds weakly."""
    maps = torch.zeros(4, 6, 12, 6)
    maps[:, 5] = 0.1
    for k in range(3):
        maps[:, k, 4 * k : 4 * k + 4, 2:4] = 1
    maps += 0.02 * torch.randn(maps.shape)
    person = torch.zeros(12, 6)
    person[:, 2:4] = 1
    masks = PartMasks(6, 3, row_prior=1.0)
    optimiser = torch.optim.Adam(masks.parameters(), lr=0.1)
    before = float(mask_overlap(masks(maps)))
    for _ in range(60):
        optimiser.zero_grad()
        part_mask_loss(masks(maps), salient(maps)).backward()
        optimiser.step()
    found = masks(maps)
    assert float(mask_overlap(found)) < 0.3 * before
    assert ((1 - found[:, -1] > 0.5) == person.bool()).float().mean() > 0.98
    assert (found[:, :3, :, 2:4].argmax(1) == torch.arange(12)[:, None] // 4).all()
