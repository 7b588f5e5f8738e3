"""What every trunk offers: four stages of maps, fine to coarse, and one final map."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """(B, 3, H, W) pictures -> (B, out_channels, h, w) maps.

    Attributes:
        stage_channels: channels of the four stages C2 to C5.
        stage_strides: pixels of the picture per cell of each stage; an odd side is rounded up
            or down as the layers do.
        out_channels: channels of the final map.
    """

    stage_channels: tuple[int, ...]
    stage_strides: tuple[int, ...]
    out_channels: int

    @abstractmethod
    def stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the maps of C2 to C5, each (B, channels, H / stride, W / stride)."""

    def final_map(self, stages: tuple[Tensor, ...]) -> Tensor:
        """The maps of C2 to C5 -> (B, out_channels, h, w); here the last one."""
        return stages[-1]

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, out_channels, h, w)."""
        return self.final_map(self.stages(x))
