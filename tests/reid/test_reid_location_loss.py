"""MGRe's location loss against plain loops, and joints that were not seen."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from reid.losses.location import joint_boxes, location_loss

REGIONS = [[0, 1, 2], [2, 3], [4]]


def loss_by_hand(boxes: Tensor, joints: Tensor, regions: list[list[int]], margin: float) -> float:
    """Equation 3 for each region with a seen joint, and their mean."""
    costs = []
    for b in range(len(boxes)):
        for r, region in enumerate(regions):
            seen = [joints[b, j].tolist() for j in region if not bool(joints[b, j].isnan().any())]
            if not seen:
                continue
            x, y = [p[0] for p in seen], [p[1] for p in seen]
            x_min, y_min, x_max, y_max = boxes[b, r].tolist()
            costs.append(
                (x_min - min(x) + margin) ** 2
                + (x_max - max(x) - margin) ** 2
                + (y_min - min(y) + margin) ** 2
                + (y_max - max(y) - margin) ** 2
            )
    return sum(costs) / len(costs)


@pytest.fixture
def joints() -> Tensor:
    """(4, 5, 2): all seen; some unseen; regions 1 and 2 unseen; one with half a position."""
    values = torch.rand(4, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values[1, [0, 3]] = math.nan
    values[2, 2:] = math.nan
    values[3, 1, 0] = math.nan
    return values


@pytest.fixture
def boxes() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(4, 3, 4, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.2])
def test_location_loss_by_hand(boxes: Tensor, joints: Tensor, margin: float) -> None:
    found = location_loss(boxes, joints, REGIONS, margin)
    assert found.item() == pytest.approx(loss_by_hand(boxes, joints, REGIONS, margin), rel=1e-12)


def test_the_box_that_costs_nothing_is_larger_by_the_margin() -> None:
    joints = torch.tensor([[[0.3, 0.2], [0.5, 0.6], [0.4, 0.1]]])
    best = torch.tensor([[[0.25, 0.05, 0.55, 0.65]]])
    assert location_loss(best, joints, [[0, 1, 2]]).item() == pytest.approx(0, abs=1e-12)
    tight = torch.tensor([[[0.3, 0.1, 0.5, 0.6]]])
    assert location_loss(tight, joints, [[0, 1, 2]]).item() == pytest.approx(4 * 0.05**2)
    found, counted = joint_boxes(joints, [[0, 1, 2]], 0.05)
    torch.testing.assert_close(found, best)
    assert counted.tolist() == [[True]]


def test_location_gradient(boxes: Tensor, joints: Tensor) -> None:
    boxes.requires_grad_()
    assert torch.autograd.gradcheck(lambda b: location_loss(b, joints, REGIONS), (boxes,))
    (gradient,) = torch.autograd.grad(location_loss(boxes, joints, REGIONS), boxes)
    assert gradient[2, 1:].eq(0).all()  # no joint was seen there
    assert gradient[:2].ne(0).all()


def test_a_batch_without_joints_costs_nothing(boxes: Tensor, joints: Tensor) -> None:
    boxes.requires_grad_()
    loss = location_loss(boxes, torch.full_like(joints, math.nan), REGIONS)
    loss.backward()
    assert loss.item() == 0
    assert boxes.grad is not None
    assert boxes.grad.eq(0).all()


def test_half_precision_is_computed_in_float32(boxes: Tensor, joints: Tensor) -> None:
    found = location_loss(boxes.bfloat16(), joints, REGIONS)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss_by_hand(boxes, joints, REGIONS, 0.05), rel=0.02)


@pytest.mark.parametrize(
    ("shape", "points", "regions", "message"),
    [
        ((2, 3, 4), (2, 5, 2), [[0], [1]], r"boxes \(2, 3, 4\) are not \(2, 2, 4\)"),
        ((2, 2, 3), (2, 5, 2), [[0], [1]], r"boxes \(2, 2, 3\)"),
        ((3, 2, 4), (2, 5, 2), [[0], [1]], "for 2 images and 2 regions"),
        ((2, 1, 4), (2, 5, 3), [[0]], r"joints \(2, 5, 3\) are not \(B, J, 2\)"),
        ((2, 2, 4), (2, 5, 2), [[0], []], r"regions\[1\] = \[\] must name"),
        ((2, 2, 4), (2, 5, 2), [[5], [1]], r"regions\[0\] = \[5\] must name some of 5"),
        ((2, 1, 4), (2, 5, 2), [[-1]], r"regions\[0\] = \[-1\]"),
    ],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, ...], points: tuple[int, ...], regions: list[list[int]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        location_loss(torch.zeros(shape), torch.zeros(points), regions)
