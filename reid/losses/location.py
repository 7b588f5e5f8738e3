"""Location loss of MGRe: predicted body regions shall span the joints that belong to them.

Source: Yang et al., "Learning multi-granularity features from multi-granularity regions for
person re-identification", Neurocomputing 432 (2021), equation 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reid.precision import at_least_float32


def location_loss(
    boxes: Tensor, joints: Tensor, regions: Sequence[Sequence[int]], margin: float = 0.05
) -> Tensor:
    """Mean over the regions with a seen joint of the four squared errors of a box's sides.

    [x_min - min X + margin]^2 + [x_max - max X - margin]^2 + the same for y: the box that costs
    nothing is the joints' own, larger by `margin` on every side. Without any seen joint in the
    batch the loss is 0.

    Args:
        boxes: (B, R, 4) as x_min, y_min, x_max, y_max; 0..1 of the image's width and height.
        joints: (B, J, 2) x, y in 0..1; NaN for a joint that was not seen.
        regions: for each of the R regions the numbers of its joints.
        margin: in parts of the image; larger takes in more around the joints.

    Raises:
        ValueError: the shapes do not fit, or a region is empty or names a joint that is not there.
    """
    _check(boxes, joints, regions)
    boxes = at_least_float32(boxes)
    targets, counted = joint_boxes(joints.to(boxes), regions, margin)
    errors = (boxes - targets.where(counted[..., None], boxes.detach())).pow(2).sum(2)
    return errors.sum() / counted.sum().clamp(min=1)


def joint_boxes(
    joints: Tensor, regions: Sequence[Sequence[int]], margin: float
) -> tuple[Tensor, Tensor]:
    """(B, J, 2) -> the box around each region's seen joints (B, R, 4), and if there is one (B, R).

    The box of a region without a seen joint is infinite.
    """
    seen = joints.isfinite().all(2, keepdim=True)
    low, high = joints.where(seen, torch.inf), joints.where(seen, -torch.inf)
    least = torch.stack([low[:, list(region)].amin(1) for region in regions], 1) - margin
    most = torch.stack([high[:, list(region)].amax(1) for region in regions], 1) + margin
    some = torch.stack([seen[:, list(region), 0].any(1) for region in regions], 1)
    return torch.cat([least, most], 2), some


def _check(boxes: Tensor, joints: Tensor, regions: Sequence[Sequence[int]]) -> None:
    if joints.dim() != 3 or joints.shape[2] != 2:
        raise ValueError(f"location_loss: joints {tuple(joints.shape)} are not (B, J, 2)")
    if boxes.shape != (len(joints), len(regions), 4):
        raise ValueError(
            f"location_loss: boxes {tuple(boxes.shape)} are not "
            f"{(len(joints), len(regions), 4)} for {len(joints)} images and {len(regions)} regions"
        )
    for index, region in enumerate(regions):
        if not region or not all(0 <= joint < joints.shape[1] for joint in region):
            raise ValueError(
                f"location_loss: regions[{index}] = {list(region)} must name some of "
                f"{joints.shape[1]} joints"
            )
