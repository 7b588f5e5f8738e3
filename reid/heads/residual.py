"""The bottleneck block that heads put behind a backbone's maps (He et al., CVPR 2016, figure 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBottleneck(nn.Module):
    """y = relu(x + f(x)); f is 1x1 to `mid_channels`, 3x3 there, 1x1 back; the size stays.

    Args:
        channels: of x and y. mid_channels: inside; default a quarter of them, as in ResNet.
    """

    def __init__(self, channels: int, mid_channels: int | None = None) -> None:
        super().__init__()
        mid = mid_channels or max(channels // 4, 1)
        self.conv1 = nn.Conv2d(channels, mid, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(mid)
        self.conv2 = nn.Conv2d(mid, mid, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(mid)
        self.conv3 = nn.Conv2d(mid, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        for convolution in (self.conv1, self.conv2, self.conv3):
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> the same shape."""
        inner = torch.relu(self.bn1(self.conv1(x)))
        inner = torch.relu(self.bn2(self.conv2(inner)))
        return torch.relu(x + self.bn3(self.conv3(inner)))
