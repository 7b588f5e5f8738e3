"""Head, upper and lower body of GLAD from four key points.

Source: Wei et al., "GLAD: Global-Local-Alignment Descriptor for Pedestrian Retrieval", ACM MM
2017 (arXiv:1709.04329); the formulas as in Zhang, "Person Re-Identification", Megvii, 2017.
With upper head (x_1, y_1), neck (x_2, y_2), right hip (x_3, y_3), left hip (x_4, y_4) in pixels:

    head   [(x_c - w/2, y_1 - a), (x_c + w/2, y_2 + a)],  w = y_2 - y_1 + 2a,  x_c = (x_1 + x_2) / 2
    upper  [(0, y_2 - 2a), (W - 1, y_c + 2a)]
    lower  [(0, y_c - 2a), (W - 1, H - 1)],               y_c = (y_3 + y_4) / 2
"""

from __future__ import annotations

import torch
from torch import Tensor

from reid.heads.joint_boxes import HEAD_TOP, LEFT_LEG, NECK, RIGHT_LEG, Box

USUAL: tuple[Box, Box, Box] = (
    (0.30, 0.03, 0.69, 0.22),
    (0.0, 0.13, 1.0, 0.58),
    (0.0, 0.46, 1.0, 1.0),
)
"""The boxes of the mean key points of Market-1501's training pictures, a = 0.03 H and H = 2 W."""


def glad_boxes(joints: Tensor, margin: float, height_per_width: float) -> Tensor:
    """The three boxes, in fractions of the picture instead of pixels.

    A box is the usual one where a key point that it needs was not seen (one hip stands for both),
    or where its sides come out in the wrong order. Boxes may reach beyond the picture.

    Args:
        joints: (B, 14, 2) x, y in 0..1, NaN where unseen.
        margin: a, in parts of the picture's height.
        height_per_width: H / W, as the head's box is as wide in pixels as it is high.

    Returns:
        (B, 3, 4): head, upper, lower as x_min, y_min, x_max, y_max.
    """
    (x1, y1), (x2, y2) = joints[:, HEAD_TOP].unbind(1), joints[:, NECK].unbind(1)
    right, left = joints[:, RIGHT_LEG[0], 1], joints[:, LEFT_LEG[0], 1]
    hips = (right.where(~right.isnan(), left) + left.where(~left.isnan(), right)) / 2
    half = (y2 - y1 + 2 * margin) * height_per_width / 2
    middle = (x1 + x2) / 2
    zero, one = torch.zeros_like(y1), torch.ones_like(y1)
    boxes = torch.stack(
        [
            torch.stack([middle - half, y1 - margin, middle + half, y2 + margin], 1),
            torch.stack([zero, y2 - 2 * margin, one, hips + 2 * margin], 1),
            torch.stack([zero, hips - 2 * margin, one, one], 1),
        ],
        1,
    )
    usable = boxes.isfinite().all(2) & (boxes[..., 2:] > boxes[..., :2]).all(2)
    return boxes.where(usable[..., None], joints.new_tensor(USUAL))
