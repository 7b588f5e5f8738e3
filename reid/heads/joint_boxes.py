"""Boxes of body regions from joints, with a fixed box where no joint of a region was seen.

Source: this project; what MGRe, GLAD and SpindleNet have in common.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reid.errors import ReidError

Box = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max in 0..1 of the picture."""

HEAD_TOP, NECK = 0, 1
RIGHT_ARM, LEFT_ARM = (2, 3, 4), (5, 6, 7)
"""Shoulder, elbow, wrist; right is the person's right."""
RIGHT_LEG, LEFT_LEG = (8, 9, 10), (11, 12, 13)
"""Hip, knee, ankle."""

JOINTS = 14


def required_joints(joints: Tensor | None, who: str) -> Tensor:
    """The joints of a head that cannot do without; `who` is the key that asks for them.

    Raises:
        ReidError: there are none, or they are not (B, 14, 2).
    """
    if joints is None or joints.shape[1:] != (JOINTS, 2):
        got = "none" if joints is None else f"shape {tuple(joints.shape)}"
        raise ReidError(f"{who} needs joints (B, {JOINTS}, 2), got {got}")
    return joints


def bounding_boxes(
    joints: Tensor, regions: Sequence[Sequence[int]], fallback: Sequence[Box], margin: float
) -> Tensor:
    """The smallest boxes around the seen joints of regions, larger by `margin` on every side.

    Args:
        joints: (B, J, 2) x, y in 0..1 of the picture, NaN where unseen.
        regions: numbers of the joints of each of R regions.
        fallback: R boxes for pictures in which no joint of the region was seen.
        margin: in parts of the picture.

    Returns:
        (B, R, 4), not cut at the picture's border.
    """
    seen = joints.isfinite().all(2, keepdim=True)
    low, high = joints.where(seen, torch.inf), joints.where(seen, -torch.inf)
    boxes = []
    for region, default in zip(regions, fallback, strict=True):
        index = list(region)
        corners = [low[:, index].amin(1) - margin, high[:, index].amax(1) + margin]
        given = seen[:, index, 0].any(1, keepdim=True)
        boxes.append(torch.cat(corners, 1).where(given, joints.new_tensor(default)))
    return torch.stack(boxes, 1)
