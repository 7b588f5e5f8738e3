"""The head of ACRN, and the distance that its embedding stands for."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from reid_head_checks import head_of, pictures, tiny_network
from torch import Tensor

from reid.heads.acrn import ACRNConfig, join_attributes


def config(**settings_: Any) -> ACRNConfig:
    tiny = {"dim": 8, "attributes": ("backpack", "hat", "upred"), "attribute_hidden": 6}
    return ACRNConfig(**(tiny | settings_))


def unit_by_hand(values: list[float]) -> list[float]:
    norm = math.sqrt(sum(v * v for v in values))
    return [v / norm for v in values]


def square_distance(a: list[float], b: list[float]) -> float:
    return sum((p - q) ** 2 for p, q in zip(a, b, strict=True))


def attributes_by_hand(logits: Tensor) -> list[float]:
    """2 sigmoid - 1, of length 1."""
    return unit_by_hand([2 / (1 + math.exp(-v)) - 1 for v in logits.tolist()])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), gamma=st.sampled_from([0.0, 0.1, 1.0, 7.5]))
def test_the_joined_distance_by_hand(seed: int, gamma: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    logits = 3 * torch.randn(3, 4, generator=generator, dtype=torch.float64)
    found = join_attributes(features, logits, gamma).tolist()
    for i in range(3):
        assert sum(v * v for v in found[i]) == pytest.approx(1)
        for j in range(3):
            identity = square_distance(
                unit_by_hand(features[i].tolist()), unit_by_hand(features[j].tolist())
            )
            attribute = square_distance(
                attributes_by_hand(logits[i]), attributes_by_hand(logits[j])
            )
            expected = (identity + gamma * attribute) / (1 + gamma)
            assert square_distance(found[i], found[j]) == pytest.approx(expected, abs=1e-12)
            cosine = sum(p * q for p, q in zip(found[i], found[j], strict=True))
            assert 2 * (1 - cosine) == pytest.approx(expected, abs=1e-12)


def test_who_looks_alike_is_told_apart_by_clothes() -> None:
    features = torch.tensor([[1.0, 0.0]] * 3)
    logits = torch.tensor([[5.0, -5.0], [4.0, -6.0], [5.0, 5.0]])
    with_clothes = join_attributes(features, logits, 0.5)
    assert with_clothes[0] @ with_clothes[1] > with_clothes[0] @ with_clothes[2] + 0.2
    without = join_attributes(features, logits, 0.0)
    torch.testing.assert_close(without[0] @ without[1], without[0] @ without[2])


def test_undecided_attributes_leave_the_identity() -> None:
    found = join_attributes(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 3), 2.0)
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8, 0, 0, 0]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    found = join_attributes(torch.ones(2, 3, dtype=dtype), torch.ones(2, 2, dtype=dtype), 0.1)
    assert found.dtype == torch.float32


def test_the_views_of_the_attribute_branch() -> None:
    network = tiny_network(config(local_views=2), identities=2)
    with torch.no_grad():
        found = network.outputs(pictures(2))
        final = network.backbone(pictures(2))
        views = [final.mean((2, 3))]
        halves = torch.stack([final[:, :, :2].mean((2, 3)), final[:, :, 2:].mean((2, 3))], 2)
        logits = network.head.classify(torch.cat([*views, halves.flatten(1)], 1))
        whole = network.head.embed_global(views[0])
    torch.testing.assert_close(found.extras["attributes"], logits)
    torch.testing.assert_close(found.branches["global"].neck, whole.neck)
    torch.testing.assert_close(found.embedding, join_attributes(whole.neck, logits, 0.1))


@pytest.mark.parametrize("name", ["gender", "age", "hair", "colour"])
def test_nothing_about_the_body(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name}: not an attribute of clothing"):
        config(attributes=("hat", name))


@pytest.mark.parametrize(
    "settings_", [{"attributes": ()}, {"attributes": ("hat", "hat")}, {"gamma": -1}]
)
def test_configurations_that_are_refused(settings_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**settings_)


def test_the_system() -> None:
    head = head_of("acrn")
    assert head == ACRNConfig()
    assert len(head.attributes) == len(set(head.attributes)) == 24
