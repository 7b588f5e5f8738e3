"""GLAD: boxes by hand, what is cropped where, and gradients."""

from __future__ import annotations

import copy
from typing import Any, Literal

import pytest
import torch
from pydantic import ValidationError
from reid_head_checks import head_of, system_yaml, tiny_network

from reid.errors import ReidError
from reid.heads.glad import BRANCHES, GLADConfig, GLADHead
from reid.heads.glad_boxes import USUAL, glad_boxes
from reid.network import ReidNetwork

NAN = float("nan")
HEAD_TOP, NECK, RIGHT_HIP, LEFT_HIP = 0, 1, 8, 11


def person(**moved: tuple[float, float]) -> torch.Tensor:
    """(1, 14, 2): the four key points in pixels of a 50 x 100 picture, as fractions."""
    points = {"top": (20, 10), "neck": (30, 30), "right": (18, 60), "left": (33, 50)} | moved
    joints = torch.full((1, 14, 2), NAN, dtype=torch.float64)
    index = (HEAD_TOP, NECK, RIGHT_HIP, LEFT_HIP)
    for joint, name in zip(index, ("top", "neck", "right", "left"), strict=True):
        x, y = points[name]
        joints[0, joint] = torch.tensor([x / 50, y / 100], dtype=torch.float64)
    return joints


Expected = list[tuple[float, ...]]
# a = 5 pixels: w = 30 - 10 + 10 = 30, x_c = 25, y_c = 55
BY_HAND: Expected = [(10 / 50, 5 / 100, 40 / 50, 35 / 100), (0, 0.2, 1, 0.65), (0, 0.45, 1, 1)]


@pytest.mark.parametrize(
    ("joints", "expected"),
    [
        (person(), BY_HAND),
        (person(left=(NAN, NAN)), [BY_HAND[0], (0, 0.2, 1, 0.7), (0, 0.5, 1, 1)]),
        (person(right=(NAN, NAN)), [BY_HAND[0], (0, 0.2, 1, 0.6), (0, 0.4, 1, 1)]),
        (person(top=(NAN, NAN)), [USUAL[0], *BY_HAND[1:]]),
        (person(neck=(NAN, NAN)), [USUAL[0], USUAL[1], BY_HAND[2]]),
        (person(right=(NAN, NAN), left=(NAN, NAN)), [BY_HAND[0], USUAL[1], USUAL[2]]),
        (person(top=(20, 45)), [USUAL[0], *BY_HAND[1:]]),  # the head below the neck
    ],
)
def test_boxes_by_hand(joints: torch.Tensor, expected: Expected) -> None:
    found = glad_boxes(joints, margin=0.05, height_per_width=2.0)
    torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.float64))


def network(crop: Literal["picture", "map"], identities: int = 0) -> ReidNetwork:
    """GLAD on the tiny backbone, in evaluation mode."""
    config = GLADConfig(dim=8, crop=crop, head_hw=(32, 32), body_hw=(32, 48))
    return tiny_network(config, identities)


def standing(count: int) -> torch.Tensor:
    """(count, 14, 2) of `person` with different necks."""
    return torch.cat([person(neck=(25, 28 + i)) for i in range(count)]).float()


@pytest.mark.parametrize("crop", ["picture", "map"])
def test_four_branches_joined_with_equal_weight(crop: Literal["picture", "map"]) -> None:
    net = network(crop, identities=5)
    found = net.outputs(torch.randn(3, 3, 64, 32), joints=standing(3))
    assert tuple(found.branches) == BRANCHES
    for position, branch in enumerate(found.branches.values()):
        assert branch.logits is not None
        assert branch.logits.shape == (3, 5)
        piece = found.embedding[:, 8 * position : 8 * position + 8]
        direction = branch.neck / branch.neck.norm(dim=1, keepdim=True)
        torch.testing.assert_close(piece, direction / 2)
    assert found.embedding.shape == (3, net.head.embedding_dim)
    assert net.head.needs_joints


def test_picture_crops_go_through_the_networks_own_backbone() -> None:
    """The head's branch is the pooled map of the cut-out, by the shared convolutions."""
    net = network("picture")
    images, joints = torch.randn(1, 3, 100, 50), person().float()
    found = net.outputs(images, joints=joints)
    cut = torch.zeros(1, 3, 32, 32)
    # a = 3 pixels: w = 26, the head is 26 x 26 pixels from (12, 7).
    for i in range(32):
        for j in range(32):
            y, x = 7 + 26 * (i + 0.5) / 32 - 0.5, 12 + 26 * (j + 0.5) / 32 - 0.5
            for dy in (0, 1):
                for dx in (0, 1):
                    py, px = int(y // 1) + dy, int(x // 1) + dx
                    weight = (1 - abs(y - py)) * (1 - abs(x - px))
                    cut[0, :, i, j] += weight * images[0, :, py, px]
    head = net.head
    assert isinstance(head, GLADHead)
    expected = head.embed["head"](net.backbone(cut).mean((2, 3)))
    torch.testing.assert_close(found.branches["head"].neck, expected.neck, atol=1e-4, rtol=1e-4)


def test_each_branch_sees_its_own_part_of_the_picture() -> None:
    """Boxes with a = 0.03: head 0.07..0.33, upper 0.24..0.61, lower 0.49..1 of the height."""
    net = network("picture")
    images, joints = torch.randn(1, 3, 100, 50), person().float()
    base = net.outputs(images, joints=joints).branches
    bands = ((10, 20, {"head"}), (40, 46, {"upper"}), (70, 90, {"lower"}))
    for top, bottom, expected in bands:
        changed = images.clone()
        changed[:, :, top:bottom] += 1
        moved = net.outputs(changed, joints=joints).branches
        different = {k for k in BRANCHES if not torch.equal(base[k].neck, moved[k].neck)}
        assert different == expected | {"global"}


def test_the_sizes_of_what_is_cut_out() -> None:
    maps, boxes = torch.zeros(2, 5, 8, 4), glad_boxes(standing(2), 0.03, 2.0)
    head = network("map").head
    assert isinstance(head, GLADHead)
    shapes = [tuple(found.shape) for found in head._crop(maps, boxes, head.stride)]
    assert shapes == [(2, 5, 2, 2), (4, 5, 2, 3)]  # 32 x 32 and 32 x 48 pixels at stride 16
    assert head._crop(torch.zeros(2, 3, 64, 32), boxes, 1)[0].shape == (2, 3, 32, 32)


def test_the_map_is_cut_to_the_pictures_sizes_by_its_stride(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strides: list[int] = []
    original = GLADHead._crop

    def spy(
        self: GLADHead, maps: torch.Tensor, boxes: torch.Tensor, stride: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        strides.append(stride)
        return original(self, maps, boxes, stride)

    monkeypatch.setattr(GLADHead, "_crop", spy)
    for crop in ("map", "picture"):
        network(crop)(torch.randn(1, 3, 64, 32), standing(1))
    assert strides == [16, 1]


def test_the_backbone_is_stored_once_and_copies_use_their_own() -> None:
    net = network("picture")
    assert not any("trunk" in key for key in net.state_dict())
    other = copy.deepcopy(net)
    images, joints = torch.randn(2, 3, 64, 32), standing(2)
    before = net(images, joints)[0]
    with torch.no_grad():
        for parameter in other.backbone.parameters():
            parameter.mul_(0.5)
    torch.testing.assert_close(net(images, joints)[0], before)
    head = other.head
    assert isinstance(head, GLADHead)
    assert head._trunk[0] is other.backbone


@pytest.mark.parametrize("crop", ["picture", "map"])
def test_gradcheck_of_the_whole_head(crop: Literal["picture", "map"]) -> None:
    net = network(crop).double()
    images = torch.randn(1, 3, 32, 16, dtype=torch.float64, requires_grad=True)
    joints = person().requires_grad_(False)
    assert torch.autograd.gradcheck(
        lambda x: net.outputs(x, joints=joints).embedding, images, atol=1e-6, fast_mode=True
    )


@pytest.mark.parametrize("crop", ["picture", "map"])
def test_one_and_eight_pictures_agree(crop: Literal["picture", "map"]) -> None:
    net = network(crop)
    images, joints = torch.randn(8, 3, 64, 32), standing(8)
    alone = torch.cat([net(images[i : i + 1], joints[i : i + 1])[0] for i in range(8)])
    torch.testing.assert_close(net(images, joints)[0], alone, atol=1e-5, rtol=1e-4)


def test_unseen_joints_leave_numbers() -> None:
    found = network("picture")(torch.randn(2, 3, 64, 32), torch.full((2, 14, 2), NAN))[0]
    assert bool(found.isfinite().all())


def test_needs_joints() -> None:
    with pytest.raises(ReidError, match="glad needs joints"):
        network("map")(torch.randn(1, 3, 64, 32))


@pytest.mark.parametrize("settings", [{"head_hw": (8, 32)}, {"crop": "stage"}, {"margin": 0.6}])
def test_refuses_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GLADConfig(**settings)


def test_the_yaml_trains_with_id_losses_alone() -> None:
    assert head_of("glad").crop == "picture"
    assert [term["kind"] for term in system_yaml("glad")["losses"].values()] == ["identity"]
