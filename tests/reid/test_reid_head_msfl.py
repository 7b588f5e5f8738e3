"""MSFL: values by hand, switches, gradients of both orders, every kind of trunk."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from reid_builders import TinyBackbone
from reid_head_checks import head_of as shipped_head
from reid_head_checks import system_yaml
from torch import Tensor

from reid.backbones.base import Backbone
from reid.errors import ReidError
from reid.heads.msfl import MSFLConfig, MSFLHead
from reid.network import Head, Maps, ReidNetwork


class Halving(TinyBackbone):
    """Strides 4, 8, 16 and 32, as in ResNet with last stride 2."""

    stage_strides = (4, 8, 16, 32)

    def stages(self, x: Tensor) -> tuple[Tensor, ...]:
        *fine, coarse = super().stages(x)
        return (*fine, coarse[:, :, ::2, ::2])


def network(backbone: type[TinyBackbone] = TinyBackbone, **head: Any) -> ReidNetwork:
    torch.manual_seed(0)
    config = MSFLConfig(**({"dim": 8, "channels": 8} | head))
    trunk = backbone()
    return ReidNetwork(trunk, config.build(trunk, 5)).double()


def warmed(net: ReidNetwork) -> ReidNetwork:
    """Batch statistics of random pictures, in evaluation mode."""
    for _ in range(20):
        net.outputs(torch.randn(4, 3, 64, 32, dtype=torch.float64))
    return net.eval()


def head_of(net: ReidNetwork) -> MSFLHead:
    head = net.head
    assert isinstance(head, MSFLHead)
    return head


@pytest.mark.parametrize("backbone", [TinyBackbone, Halving])
@pytest.mark.parametrize("blocks", [(3, 2, 1, 0), (0, 0, 0, 0), (0, 1, 0, 2)])
@pytest.mark.parametrize("neck", [True, False])
def test_mean_pooling_concatenation_bn_fc_relu_by_hand(
    backbone: type[TinyBackbone], blocks: tuple[int, ...], neck: bool
) -> None:
    net = warmed(network(backbone, fusion_blocks=blocks, neck=neck))
    head = head_of(net)
    images = torch.randn(2, 3, 64, 32, dtype=torch.float64)
    with torch.no_grad():
        found = net.outputs(images)
        fused = head.pyramid(found.stages)
        for k, count in enumerate(blocks):
            assert len(head.fusion[k]) == count
            for block in head.fusion[k]:
                fused = (*fused[:k], block(fused[k]), *fused[k + 1 :])
    norm, linear, _ = head.reduce.requires_grad_(False)
    for b in range(2):
        pooled = [
            float(level[b, c].sum() / level[b, c].numel()) for level in fused for c in range(8)
        ]
        normal = [
            (v - float(norm.running_mean[c]))
            / (float(norm.running_var[c]) + norm.eps) ** 0.5
            * float(norm.weight[c])
            + float(norm.bias[c])
            for c, v in enumerate(pooled)
        ]
        for o in range(8):
            total = float(linear.bias[o]) + sum(
                float(linear.weight[o, c]) * v for c, v in enumerate(normal)
            )
            assert float(found.branches["fused"].metric[b, o]) == pytest.approx(
                max(total, 0), abs=1e-9
            )
    branch = found.branches["fused"]
    assert (branch.neck is branch.metric) != neck
    torch.testing.assert_close(found.embedding, branch.neck / branch.neck.norm(dim=1, keepdim=True))


@pytest.mark.parametrize(
    ("switches", "width"),
    [
        ({"levels": (5,), "fusion_blocks": (0,), "lateral": False, "top_down": False}, 16),
        ({"levels": (4, 5), "fusion_blocks": (0, 0), "lateral": False, "top_down": False}, 32),
        ({"fusion_blocks": (0,) * 4, "lateral": False, "top_down": False}, 48),
        ({"fusion_blocks": (0,) * 4, "lateral": False}, 32),
        ({"fusion_blocks": (0,) * 4}, 32),
        ({}, 32),
        ({"levels": (2, 5), "fusion_blocks": (1, 0)}, 16),
    ],
    ids=[*"abcdef", "two levels"],
)
def test_the_steps_of_table_1(switches: dict[str, Any], width: int) -> None:
    net = network(**switches).eval()
    assert head_of(net).reduce[1].in_features == width
    assert net(torch.randn(1, 3, 64, 32, dtype=torch.float64))[0].shape == (1, 8)


def test_fine_levels_see_coarse_ones_only_through_the_top_down_path() -> None:
    images = torch.randn(1, 3, 64, 32, dtype=torch.float64)
    for top_down in (True, False):
        head = head_of(network(top_down=top_down).eval())
        stages = network().eval().backbone.stages(images)
        changed = (*stages[:3], stages[3] + 1)
        same = torch.equal(head.fused_maps(stages)[0], head.fused_maps(changed)[0])
        assert same != top_down


@pytest.mark.parametrize("backbone", [TinyBackbone, Halving])
def test_gradcheck(backbone: type[TinyBackbone]) -> None:
    net = warmed(network(backbone, channels=4, neck=True))
    images = torch.randn(1, 3, 32, 16, dtype=torch.float64)
    stages = net.backbone.stages(images)
    inputs = tuple(stage.detach().requires_grad_() for stage in stages)

    def logits(*maps: Tensor) -> Tensor:
        branch = net.head(Maps(images, maps, maps[-1])).branches["fused"]
        assert branch.logits is not None
        return torch.cat([branch.logits, branch.metric], 1)

    torch.autograd.gradcheck(logits, inputs, fast_mode=True)


def test_the_gradient_penalty_can_go_back_through_the_head() -> None:
    """MSGR, equation 7: its slope by double backward is that of finite differences."""
    net = warmed(network())
    images = torch.randn(2, 3, 64, 32, dtype=torch.float64)

    def penalty() -> Tensor:
        found = net.outputs(images)
        logits = found.branches["fused"].logits
        assert logits is not None
        loss = logits.logsumexp(1).sum()
        slopes = torch.autograd.grad(loss, found.stages[:2], create_graph=True)
        return torch.stack([slope.flatten(1).norm(dim=1).mean() for slope in slopes]).sum()

    weight = head_of(net).pyramid.laterals["0"].weight
    penalty().backward()
    assert weight.grad is not None
    slope, step = float(weight.grad[1, 2, 0, 0]), 1e-6
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[1, 2, 0, 0] += sign * step
        values.append(penalty().item())
        with torch.no_grad():
            weight[1, 2, 0, 0] -= sign * step
    assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-8)
    assert abs(slope) > 1e-6


def test_every_weight_gets_a_gradient() -> None:
    net = network().train()
    branch = net.outputs(torch.randn(4, 3, 64, 32, dtype=torch.float64)).branches["fused"]
    assert branch.logits is not None
    (branch.logits.pow(2).sum() + branch.metric.sum()).backward()
    head: Head = net.head
    assert [n for n, p in head.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ({"levels": (2, 3, 4)}, "3 levels need 3"),
        ({"levels": (3, 2, 4, 5)}, "ascending"),
        ({"levels": (2, 2, 4, 5)}, "each once"),
        ({"levels": (), "fusion_blocks": ()}, "each once"),
        ({"levels": (1, 3, 4, 5)}, "levels"),
        ({"fusion_blocks": (3, 2, 1, -1)}, "0 to 8"),
        ({"pyramid": 4}, "Extra inputs"),
    ],
)
def test_bad_configurations(bad: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        MSFLConfig(**bad)


def test_a_trunk_without_four_stages_is_refused() -> None:
    class Short(Backbone):
        stage_channels = (8, 8)
        stage_strides = (4, 8)
        out_channels = 8

        def stages(self, x: Tensor) -> tuple[Tensor, ...]:
            return x, x

    with pytest.raises(ReidError, match="Short has 2 stages"):
        MSFLConfig().build(Short(), 0)


@pytest.mark.parametrize("name", ["msfl", "msfl_csip", "msfl_msgr"])
def test_the_shipped_heads(name: str) -> None:
    """What each YAML says on top of msfl.yaml is a valid head."""
    own = system_yaml(name)
    assert own["name"] == name
    blocks = (0, 0, 0, 0) if name == "msfl_csip" else (3, 2, 1, 0)
    assert shipped_head(name).fusion_blocks == blocks
    assert ("gradient_penalty" in own) == (name == "msfl_msgr")
