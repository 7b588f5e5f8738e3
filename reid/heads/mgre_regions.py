"""The seven body regions of MGRe: Table 1 of Yang et al., Neurocomputing 432 (2021), and joints.

Open in the paper, and chosen here:

- which joints belong to a region, and how 17 joints become the 14 of our labels. Hips bound torso
  and legs, so they are in both; a half torso has the shoulder, arm and hip of its side (left is the
  person's left). Head top and neck stand for the face;
- the size that a region has before training (Table 1 has centres only): the mean over the training
  pictures of Market-1501 of the box that equation 3 asks for, rounded to 0.02 of the picture.

Source: Yang et al., Neurocomputing 432 (2021), Table 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reid.heads.joint_boxes import HEAD_TOP, LEFT_ARM, LEFT_LEG, NECK, RIGHT_ARM, RIGHT_LEG, Box


@dataclass(frozen=True)
class Region:
    """A row of Table 1.

    Attributes:
        stage: 1..3, after which it is located.
        centre: C_x, C_y in 0..1. size: width and height at the start, in 0..1.
        sampled_hw: N, M of the sampled map.
        joints: numbers of the joints that it holds.
    """

    name: str
    stage: int
    centre: tuple[float, float]
    size: tuple[float, float]
    sampled_hw: tuple[int, int]
    joints: tuple[int, ...]

    @property
    def box(self) -> Box:
        """Where it is before anything is known of the picture."""
        (x, y), (w, h) = self.centre, self.size
        return (x - w / 2, y - h / 2, x + w / 2, y + h / 2)


_LEGS = (*RIGHT_LEG, *LEFT_LEG)
_UPPER = (HEAD_TOP, NECK, *RIGHT_ARM, *LEFT_ARM, RIGHT_LEG[0], LEFT_LEG[0])

REGIONS = (
    Region("head", 1, (1 / 2, 1 / 12), (0.20, 0.24), (8, 8), (HEAD_TOP, NECK)),
    Region("left_torso", 1, (1 / 2, 1 / 3), (0.38, 0.40), (32, 16), (*LEFT_ARM, LEFT_LEG[0])),
    Region("right_torso", 1, (1 / 2, 1 / 3), (0.38, 0.40), (32, 16), (*RIGHT_ARM, RIGHT_LEG[0])),
    Region("legs", 1, (1 / 2, 3 / 4), (0.56, 0.50), (24, 32), _LEGS),
    Region("upper_body", 2, (1 / 2, 1 / 3), (0.78, 0.58), (16, 16), _UPPER),
    Region("lower_body", 2, (1 / 2, 3 / 4), (0.56, 0.50), (16, 16), _LEGS),
    Region("whole_body", 3, (1 / 2, 1 / 2), (0.82, 0.96), (16, 8), tuple(range(14))),
)


def regions_of(stages: Iterable[int]) -> tuple[Region, ...]:
    """The regions located after these stages, in the order of Table 1."""
    wanted = frozenset(stages)
    return tuple(region for region in REGIONS if region.stage in wanted)
