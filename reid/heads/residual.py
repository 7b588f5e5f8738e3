"""The residual block that heads extract features with (He et al., CVPR 2016, figure 5 right)."""

from __future__ import annotations

from torch import Tensor, nn


class Bottleneck(nn.Module):
    """relu(x + f(x)); f is 1x1, 3x3, 1x1 through a quarter of the channels, each with BN."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(1, channels // 4)
        self.residual = nn.Sequential(
            nn.Conv2d(channels, narrow, 1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            nn.Conv2d(narrow, narrow, 3, padding=1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            nn.Conv2d(narrow, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, h, w) -> the same shape."""
        return self.relu(maps + self.residual(maps))
