"""What every trunk offers."""

from __future__ import annotations

from torch import Tensor, nn


class Backbone(nn.Module):
    """A trunk of four stages.

    Attributes:
        stage_channels, stage_strides: of the four stages, fine to coarse.
        out_channels: of the final map.
    """

    stage_channels: tuple[int, ...]
    stage_strides: tuple[int, ...]
    out_channels: int

    def stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> maps (B, C_k, H / stride_k, W / stride_k), fine to coarse."""
        raise NotImplementedError

    def final(self, stages: tuple[Tensor, ...]) -> Tensor:
        """The map that a plain head pools, (B, out_channels, h, w)."""
        return stages[-1]

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) pictures -> the final map."""
        return self.final(self.stages(x))
