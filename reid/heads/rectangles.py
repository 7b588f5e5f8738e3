"""Random rectangles of a feature map, for what drops or replaces them in training.

Draws come from torch's generator of the device (or from one that is given), so that they repeat
when the trainer seeds torch at each step; nothing is read back from a GPU.

Source: this project; what BDB and the mixes of PMM's Table 2 draw.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reid.errors import ReidError


def rectangle_side(cells: int, ratio: float) -> int:
    """`ratio` of `cells`, rounded to the nearest whole number, at least 1."""
    return max(1, round(cells * ratio))


def outside_rectangle(
    count: int,
    hw: tuple[int, int],
    ratio_hw: tuple[float, float],
    *,
    device: torch.device | str = "cpu",
    generator: torch.Generator | None = None,
) -> Tensor:
    """(count, h, w) bool: False inside one random rectangle per map, all positions equally likely.

    Args:
        hw: size of the maps. ratio_hw: height and width of the rectangle as shares of the map's.

    Raises:
        ReidError: the rectangle would cover the whole map.
    """
    sides = [rectangle_side(cells, ratio) for cells, ratio in zip(hw, ratio_hw, strict=True)]
    if sides[0] >= hw[0] and sides[1] >= hw[1]:
        raise ReidError(
            f"a rectangle of {ratio_hw[0]:g} x {ratio_hw[1]:g} covers the whole map of "
            f"{hw[0]} x {hw[1]}: train with larger pictures, or lower the ratios of model.head"
        )
    inside = []
    for cells, side in zip(hw, sides, strict=True):
        start = torch.randint(0, cells - side + 1, (count, 1), generator=generator, device=device)
        offset = torch.arange(cells, device=device) - start
        inside.append((offset >= 0) & (offset < side))
    return ~(inside[0][:, :, None] & inside[1][:, None, :])
