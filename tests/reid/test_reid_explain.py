"""Pictures of what a network looks at, by hand and on heads with one and several branches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from reid_builders import TinyBackbone
from torch import Tensor

from reid.errors import ReidError
from reid.explain import activation_map, class_activation
from reid.heads.bdb import BDBConfig
from reid.heads.bnneck import BNNeckConfig
from reid.heads.msfl import MSFLConfig
from reid.heads.pmm import PMMConfig
from reid.network import ReidNetwork

HEADS: list[Any] = [
    BNNeckConfig(dim=8),
    BDBConfig(global_dim=8, part_dim=8),
    MSFLConfig(dim=8, channels=8),
    PMMConfig(dim=8),
]


def network(config: Any = HEADS[0], identities: int = 5) -> ReidNetwork:
    torch.manual_seed(0)
    trunk = TinyBackbone()
    return ReidNetwork(trunk, config.build(trunk, identities)).double().eval()


def positive(net: ReidNetwork) -> ReidNetwork:
    """Weights of the head above 0, so that no Grad-CAM is 0 everywhere."""
    with torch.no_grad():
        for weight in net.head.parameters():
            weight.abs_()
    return net


def pictures() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(2, 3, 64, 32, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("stage", "hw"), [(-1, (4, 2)), (0, (16, 8)), (1, (8, 4))])
def test_activation_map_by_hand(stage: int, hw: tuple[int, int]) -> None:
    net = network()
    found = activation_map(net, pictures(), stage=stage)
    assert found.shape == (2, *hw)
    with torch.no_grad():
        maps = net.backbone.stages(pictures())[stage]
    for b in range(2):
        sums = [
            [sum(abs(float(v)) for v in maps[b, :, i, j]) for j in range(hw[1])]
            for i in range(hw[0])
        ]
        low, high = min(map(min, sums)), max(map(max, sums))
        for i in range(hw[0]):
            for j in range(hw[1]):
                expected = (sums[i][j] - low) / (high - low)
                assert float(found[b, i, j]) == pytest.approx(expected)


def test_class_activation_by_hand() -> None:
    """Slopes of the whole head by finite differences at every cell of the coarsest map."""
    net = positive(network())
    found = class_activation(net, pictures(), torch.tensor([3, 1]))
    with torch.no_grad():
        maps = net.backbone.stages(pictures())[-1]

        def logit(changed: Tensor, label: int) -> float:
            pooled = changed.sum((1, 2)) / 8
            logits = net.head.embed_global(pooled[None]).logits  # type: ignore[operator, union-attr]
            return float(logits[0, label])

        for b, label in enumerate((3, 1)):
            slopes = []
            for c in range(16):
                total = 0.0
                for i in range(4):
                    for j in range(2):
                        step = torch.zeros_like(maps[b])
                        step[c, i, j] = 1e-6
                        high, low = logit(maps[b] + step, label), logit(maps[b] - step, label)
                        total += (high - low) / 2e-6
                slopes.append(total / 8)
            raw = torch.stack([slopes[c] * maps[b, c] for c in range(16)]).sum(0).clamp(min=0)
            expected = (raw - raw.min()) / (raw.max() - raw.min())
            torch.testing.assert_close(found[b], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("config", HEADS, ids=lambda c: c.name)
def test_every_head_can_be_explained(config: Any) -> None:
    net = positive(network(config))
    for picture in (activation_map(net, pictures()), class_activation(net, pictures())):
        assert picture.shape == (2, 4, 2)
        assert not picture.requires_grad
        assert float(picture.min()) == 0
        assert float(picture.max()) == 1
    assert all(p.grad is None for p in net.parameters())


def test_the_best_class_is_the_default() -> None:
    net = positive(network())
    with torch.no_grad():
        logits = net.outputs(pictures()).branches["global"].logits
    assert logits is not None
    best = class_activation(net, pictures(), logits.argmax(1))
    torch.testing.assert_close(class_activation(net, pictures()), best)
    assert not torch.allclose(class_activation(net, pictures(), logits.argmin(1)), best)


def test_it_works_under_no_grad_and_with_frozen_weights() -> None:
    net = positive(network())
    expected = class_activation(net, pictures())
    assert float(expected.max()) == 1
    net.requires_grad_(False)
    with torch.no_grad():
        torch.testing.assert_close(class_activation(net, pictures()), expected)


def test_weights_for_search_have_no_class_to_explain() -> None:
    with pytest.raises(ReidError, match="no classifier"):
        class_activation(network(identities=0), pictures())


@pytest.mark.parametrize("explain", [activation_map, class_activation])
def test_training_mode_is_refused(explain: Any) -> None:
    """It would change the running statistics."""
    with pytest.raises(ValueError, match="eval"):
        explain(network().train(), pictures())
