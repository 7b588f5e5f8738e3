"""The location module of MGRe: equations 1 and 2, and what it learns."""

from __future__ import annotations

import math

import pytest
import torch

from reid.heads.joint_boxes import bounding_boxes
from reid.heads.location import LocationModule, boxes_of
from reid.heads.mgre_regions import REGIONS, regions_of

TABLE_1 = {
    "head": (1, 1 / 2, 1 / 12, 8, 8, {0, 1}),
    "left_torso": (1, 1 / 2, 1 / 3, 32, 16, {5, 6, 7, 11}),
    "right_torso": (1, 1 / 2, 1 / 3, 32, 16, {2, 3, 4, 8}),
    "legs": (1, 1 / 2, 3 / 4, 24, 32, {8, 9, 10, 11, 12, 13}),
    "upper_body": (2, 1 / 2, 1 / 3, 16, 16, {0, 1, 2, 3, 4, 5, 6, 7, 8, 11}),
    "lower_body": (2, 1 / 2, 3 / 4, 16, 16, {8, 9, 10, 11, 12, 13}),
    "whole_body": (3, 1 / 2, 1 / 2, 16, 8, set(range(14))),
}


def test_regions_are_those_of_table_1() -> None:
    found = {r.name: (r.stage, *r.centre, *r.sampled_hw, set(r.joints)) for r in REGIONS}
    assert found == TABLE_1
    assert [len(regions_of([stage])) for stage in (1, 2, 3)] == [4, 2, 1]
    assert [r.stage for r in regions_of([3, 1])] == [1, 1, 1, 1, 3]


def test_equation_2_by_hand() -> None:
    predicted = torch.tensor(
        [[[math.atanh(0.1), math.atanh(-0.2), math.log(0.4), math.log(0.6)], [0.0, 0.0, 0.0, 0.0]]]
    )
    found = boxes_of(predicted, torch.tensor([[0.5, 0.5], [0.25, 0.75]]))
    expected = torch.tensor([[[0.4, 0.0, 0.8, 0.6], [-0.25, 0.25, 0.75, 1.25]]])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize("size", [(64, 32), (9, 5), (3, 2)])
def test_an_untrained_module_answers_with_the_table(stage: int, size: tuple[int, int]) -> None:
    regions = regions_of([stage])
    found = LocationModule(6, regions, 4)(torch.randn(2, 6, *size))
    expected = torch.tensor([region.box for region in regions])
    torch.testing.assert_close(found, expected.expand(2, -1, -1))


def test_gradients() -> None:
    torch.manual_seed(0)
    module = LocationModule(3, regions_of([2]), 4).double().eval()
    torch.nn.init.normal_(module.predict[-1].weight, std=0.3)
    maps = torch.randn(2, 3, 8, 4, dtype=torch.float64, requires_grad=True)
    parameters = tuple(p for p in module.parameters() if p.requires_grad)
    assert torch.autograd.gradcheck(lambda m, *_: module(m), (maps, *parameters))


def test_learns_where_a_bright_patch_is() -> None:
    """The box of a region follows what is seen, away from the prior."""
    torch.manual_seed(0)
    regions = regions_of([3])
    module = LocationModule(1, regions, 8)
    optimiser = torch.optim.Adam(module.parameters(), 3e-3)

    def batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows, columns = torch.randint(1, 11, (count,)), torch.randint(1, 5, (count,))
        maps = torch.zeros(count, 1, 16, 8)
        for b, (row, column) in enumerate(zip(rows, columns, strict=True)):
            maps[b, 0, row : row + 4, column : column + 2] = 1
        corners = torch.stack([columns / 8, rows / 16], 1)
        joints = torch.stack([corners, corners + 0.25], 1)
        return maps, bounding_boxes(joints, ((0, 1),), ((0.0, 0.0, 1.0, 1.0),), 0.0)

    for _ in range(150):
        maps, boxes = batch(32)
        loss = (module(maps) - boxes).pow(2).sum(2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    maps, boxes = batch(64)
    module.eval()
    error = (module(maps) - boxes).abs().mean()
    prior = (torch.tensor(regions[0].box) - boxes).abs().mean()
    assert error < 0.04 < prior / 4
