"""SpindleNet: regions by hand, the tree of maxima, and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from reid_builders import TinyBackbone
from reid_head_checks import head_of, system_yaml, tiny_network

from reid.errors import ReidError
from reid.heads.spindle import (
    MACRO,
    MICRO,
    FeatureFusion,
    SpindleConfig,
    SpindleHead,
    region_boxes,
)
from reid.network import ReidNetwork

NAN = float("nan")
POSE = [
    (0.50, 0.05),  # head top
    (0.52, 0.20),  # neck
    (0.35, 0.22),  # right shoulder, elbow, wrist
    (0.30, 0.35),
    (0.28, 0.50),
    (0.68, 0.24),  # left shoulder, elbow, wrist
    (0.74, 0.36),
    (0.70, 0.48),
    (0.42, 0.52),  # right hip, knee, ankle
    (0.40, 0.72),
    (0.38, 0.94),
    (0.60, 0.54),  # left hip, knee, ankle
    (0.63, 0.70),
    (0.66, 0.90),
]
BY_HAND = {
    "head_shoulder": (0.35, 0.05, 0.68, 0.24),
    "upper_body": (0.28, 0.20, 0.74, 0.54),
    "lower_body": (0.38, 0.52, 0.66, 0.94),
    "right_arm": (0.28, 0.22, 0.35, 0.50),
    "left_arm": (0.68, 0.24, 0.74, 0.48),
    "right_leg": (0.38, 0.52, 0.42, 0.94),
    "left_leg": (0.60, 0.54, 0.66, 0.90),
}


def pose(count: int = 1) -> torch.Tensor:
    """(count, 14, 2), each shifted a little."""
    shift = torch.arange(count, dtype=torch.float64)[:, None, None] / 100
    return torch.tensor([POSE], dtype=torch.float64) + shift


def network(identities: int = 0) -> ReidNetwork:
    """SpindleNet on the tiny backbone, in evaluation mode."""
    config = SpindleConfig(dim=8, channels=8, macro_hw=(8, 8), micro_hw=(4, 4))
    return tiny_network(config, identities)


@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_boxes_by_hand(margin: float) -> None:
    for regions in (MACRO, MICRO):
        found = region_boxes(pose(), regions, margin)
        sides = torch.tensor([-margin, -margin, margin, margin], dtype=torch.float64)
        expected = torch.tensor([BY_HAND[name] for name in regions], dtype=torch.float64) + sides
        torch.testing.assert_close(found[0], expected)


def test_a_region_without_a_seen_joint_gets_its_usual_box() -> None:
    joints = pose()
    joints[0, [5, 6, 7]] = NAN  # the left arm
    joints[0, 9] = NAN  # the right knee
    found = dict(zip(MICRO, region_boxes(joints, MICRO, 0.0)[0], strict=True))
    left = torch.tensor(MICRO["left_arm"][1], dtype=torch.float64)
    torch.testing.assert_close(found["left_arm"], left)
    for name in ("right_arm", "right_leg", "left_leg"):
        torch.testing.assert_close(found[name], torch.tensor(BY_HAND[name], dtype=torch.float64))


def test_the_tree_by_hand() -> None:
    torch.manual_seed(0)
    fusion = FeatureFusion(5).double()
    names = ("full", *MACRO, *MICRO)
    vectors = {name: torch.randn(3, 5, dtype=torch.float64) for name in names}

    def node(name: str, *inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        best = inputs[0].copy()
        for other in inputs[1:]:
            for b in range(3):
                for i in range(5):
                    best[b, i] = max(best[b, i], other[b, i])
        linear = fusion.transform[name][0]
        weight, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()
        result: NDArray[np.float64] = np.maximum(best @ weight.T + bias, 0)
        return result

    v = {name: vector.numpy() for name, vector in vectors.items()}
    upper = node("upper", node("arms", v["left_arm"], v["right_arm"]), v["upper_body"])
    lower = node("lower", node("legs", v["left_leg"], v["right_leg"]), v["lower_body"])
    body = node("body", v["head_shoulder"], upper, lower)
    expected = np.maximum(body, v["full"])
    np.testing.assert_allclose(fusion(vectors).detach().numpy(), expected, atol=1e-12)


def test_gradients_of_the_tree() -> None:
    torch.manual_seed(0)
    fusion = FeatureFusion(3).double()
    names = ("full", *MACRO, *MICRO)
    inputs = tuple(torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in names)
    assert torch.autograd.gradcheck(
        lambda *v: fusion(dict(zip(names, v, strict=True))), inputs, atol=1e-6
    )


def test_nine_branches_and_the_final_vector() -> None:
    net = network(identities=5)
    found = net.outputs(torch.randn(2, 3, 64, 32), joints=pose(2).float())
    assert set(found.branches) == {"fused", "full", *BY_HAND}
    for branch in found.branches.values():
        assert branch.logits is not None
        assert branch.logits.shape == (2, 5)
    neck = found.branches["fused"].neck
    torch.testing.assert_close(found.embedding, neck / neck.norm(dim=1, keepdim=True))
    assert found.embedding.shape == (2, net.head.embedding_dim) == (2, 8)
    assert net.head.needs_joints


def test_macro_maps_are_halved_once_and_micro_maps_are_not() -> None:
    net = network()
    head = net.head
    assert isinstance(head, SpindleHead)
    seen: list[tuple[int, ...]] = []
    for features in (head.macro, head.micro):
        features.layers[-1].register_forward_hook(lambda _m, _i, out: seen.append(out.shape[1:]))
    net(torch.randn(1, 3, 64, 32), pose().float())
    assert seen == [(8, 4, 4)] * 7  # three of 8 x 8 halved, four of 4 x 4 as they are


def test_macro_regions_come_from_stage_1_and_micro_regions_from_stage_2() -> None:
    net = network()
    images, joints = torch.randn(1, 3, 64, 32), pose().float()
    base = net.outputs(images, joints=joints).branches
    stages = net.backbone.stages
    for changed, touched in ((0, set(MACRO)), (1, set(MICRO)), (3, {"full"})):

        def other(x: torch.Tensor, changed: int = changed) -> tuple[torch.Tensor, ...]:
            found = list(stages(x))
            found[changed] = found[changed] * 2 + 1
            return tuple(found)

        net.backbone.stages = other  # type: ignore[method-assign]
        moved = net.outputs(images, joints=joints).branches
        different = {
            name for name in base if not torch.equal(base[name].metric, moved[name].metric)
        }
        assert different - {"fused"} == touched


def test_gradcheck_of_the_whole_head() -> None:
    net = network().double()
    images = torch.randn(1, 3, 32, 16, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: net.outputs(x, joints=pose()).embedding, images, atol=1e-6, fast_mode=True
    )


def test_one_and_eight_pictures_agree_and_unseen_joints_leave_numbers() -> None:
    net = network()
    images, joints = torch.randn(8, 3, 64, 32), pose(8).float()
    joints[3] = NAN
    together = net(images, joints)[0]
    alone = torch.cat([net(images[i : i + 1], joints[i : i + 1])[0] for i in range(8)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert bool(together.isfinite().all())


@pytest.mark.parametrize("joints", [None, torch.zeros(1, 17, 2)])
def test_needs_joints(joints: torch.Tensor | None) -> None:
    with pytest.raises(ReidError, match="spindle needs joints"):
        network()(torch.randn(1, 3, 64, 32), joints)


@pytest.mark.parametrize("settings", [{"macro_hw": (2, 8)}, {"margin": -0.1}, {"dims": 3}])
def test_refuses_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SpindleConfig(**settings)


def test_refuses_a_backbone_of_one_stage() -> None:
    backbone = TinyBackbone()
    backbone.stage_channels = (8,)  # type: ignore[assignment]
    with pytest.raises(ReidError, match="at least 2 stages"):
        SpindleConfig().build(backbone, 0)


def test_the_yaml_names_every_branch_once() -> None:
    head = network().head
    assert isinstance(head, SpindleHead)
    assert head_of("spindle").dim == 256
    losses = system_yaml("spindle")["losses"]
    named = [branch for term in losses.values() for branch in term["branches"]]
    assert sorted(named) == sorted({"fused", *head.embed})
