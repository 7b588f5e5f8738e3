"""Residual blocks of ResNet, HRNet and some heads (He et al., CVPR 2016, figure 5).

Parameters are named as in torchvision and in the public HRNet: `conv1`, `bn1`, ...,
`downsample.0`, `downsample.1`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """3x3 convolution without bias that keeps the size at stride 1."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)


class ResidualBlock(nn.Module, ABC):
    """y = relu(x + f(x)), with a 1x1 projection of x where the shapes differ.

    Args:
        in_channels: of x. mid_channels: inside.
        stride: of the 3x3 convolution (the second one of a bottleneck, as in torchvision).
        first_norm: makes the normalisation after the first convolution; IBN-a replaces it.
        out_channels: of y; default `expansion` times `mid_channels`.
    """

    expansion: int

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        stride: int = 1,
        first_norm: Norm = nn.BatchNorm2d,
        out_channels: int | None = None,
    ) -> None:
        super().__init__()
        out_channels = out_channels or mid_channels * self.expansion
        self._layers(in_channels, mid_channels, out_channels, stride, first_norm)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    @abstractmethod
    def _layers(self, in_channels: int, mid: int, out: int, stride: int, first_norm: Norm) -> None:
        """Make the convolutions and norms of f."""

    @abstractmethod
    def _residual(self, x: Tensor) -> Tensor:
        """f(x)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride)."""
        return torch.relu(self._residual(x) + self.downsample(x))


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions."""

    expansion = 1

    def _layers(self, in_channels: int, mid: int, out: int, stride: int, first_norm: Norm) -> None:
        self.conv1 = conv3x3(in_channels, mid, stride)
        self.bn1 = first_norm(mid)
        self.conv2 = conv3x3(mid, out)
        self.bn2 = nn.BatchNorm2d(out)

    def _residual(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))


class Bottleneck(ResidualBlock):
    """1x1 to `mid` channels, 3x3 there, 1x1 to four times as many."""

    expansion = 4

    def _layers(self, in_channels: int, mid: int, out: int, stride: int, first_norm: Norm) -> None:
        self.conv1 = nn.Conv2d(in_channels, mid, 1, bias=False)
        self.bn1 = first_norm(mid)
        self.conv2 = conv3x3(mid, mid, stride)
        self.bn2 = nn.BatchNorm2d(mid)
        self.conv3 = nn.Conv2d(mid, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)

    def _residual(self, x: Tensor) -> Tensor:
        reduced = torch.relu(self.bn1(self.conv1(x)))
        return self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(reduced)))))


def residual_layer(
    block: type[ResidualBlock],
    in_channels: int,
    mid_channels: int,
    count: int,
    stride: int = 1,
    first_norm: Norm = nn.BatchNorm2d,
) -> nn.Sequential:
    """`count` blocks; the first one has the stride and the change of channels."""
    out_channels = mid_channels * block.expansion
    first = block(in_channels, mid_channels, stride, first_norm)
    rest = (block(out_channels, mid_channels, 1, first_norm) for _ in range(count - 1))
    return nn.Sequential(first, *rest)


def initialise_convolutions(module: nn.Module) -> None:
    """Normal weights of variance 2 / fan-out (He et al., ICCV 2015), for ReLU networks."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
