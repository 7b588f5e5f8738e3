"""Cross-scale information propagation: coarse maps flow down a pyramid to the fine ones (CSIP).

Source: "Adversarial Multi-scale Feature Learning for Person Re-identification" (MSFL),
section III-A.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Smoothing = Literal["full", "depthwise"]


class CrossScalePyramid(nn.Module):
    """Maps C_k -> P_k of the same sizes, fine to coarse.

    P_coarsest = lateral(C_coarsest) and P_k = lateral(C_k) + smooth(up(P_k+1)): `lateral` is a 1x1
    convolution to `channels`, `up` nearest-neighbour upsampling and `smooth` a 3x3 convolution
    against its aliasing, one per level.

    Left open by the paper: nothing says that a normalisation follows these convolutions, so none
    does; up() goes to the size of the next finer map, which is the paper's factor of 2 wherever
    strides double, and the identity where they do not (a last stride of 1, OSNet's 4, 8, 16, 16).

    Args:
        in_channels: of the C_k, fine to coarse. channels: of the P_k; more cost memory at the
            finest level.
        lateral: False leaves the bottom-up maps out of all sums (Table I d); the coarsest one
            still starts the top-down path.
        top_down: False leaves the maps of other levels out. Without both the C_k pass as they are.
        smoothing: "depthwise" makes the 3x3 convolution one filter per channel.
    """

    def __init__(
        self,
        in_channels: tuple[int, ...],
        channels: int,
        *,
        lateral: bool = True,
        top_down: bool = True,
        smoothing: Smoothing = "full",
    ) -> None:
        super().__init__()
        self.top_down = top_down
        passes = not lateral and not top_down
        self.out_channels = in_channels if passes else (channels,) * len(in_channels)
        last = len(in_channels) - 1
        self.laterals = nn.ModuleDict(
            {
                str(k): nn.Conv2d(in_channels[k], channels, 1)
                for k in range(len(in_channels))
                if not passes and (lateral or k == last)
            }
        )
        groups = channels if smoothing == "depthwise" else 1
        self.smooths = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, 1, 1, groups=groups)
            for _ in range(last if top_down else 0)
        )

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """(B, in_channels_k, h_k, w_k) -> (B, out_channels_k, h_k, w_k), fine to coarse."""
        if not self.top_down:
            return tuple(self._lateral(k, level) for k, level in enumerate(maps))
        found = [self._lateral(len(maps) - 1, maps[-1])]
        for k in range(len(maps) - 2, -1, -1):
            size = (maps[k].shape[2], maps[k].shape[3])
            down = self.smooths[k](F.interpolate(found[0], size=size, mode="nearest"))
            found.insert(0, self._lateral(k, maps[k]) + down if str(k) in self.laterals else down)
        return tuple(found)

    def _lateral(self, k: int, level: Tensor) -> Tensor:
        return self.laterals[str(k)](level) if str(k) in self.laterals else level
