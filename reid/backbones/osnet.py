"""OSNet: omni-scale feature learning (Zhou et al., ICCV 2019).

Every block looks at the picture at four receptive fields (1 to 4 stacked light 3x3
convolutions) and mixes them with one shared channel gate (section 3.2, equation 3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reid.backbones.base import Backbone


class ConvBnRelu(nn.Sequential):
    """Convolution without bias, batch (or instance) normalisation, ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        *,
        relu: bool = True,
        instance_norm: bool = False,
    ) -> None:
        norm: nn.Module = (
            nn.InstanceNorm2d(out_channels, affine=True)
            if instance_norm
            else nn.BatchNorm2d(out_channels)
        )
        layers = [
            nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
            norm,
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class LightConv3x3(nn.Sequential):
    """1x1 convolution, then a depthwise 3x3 (the paper's Lite 3x3, figure 3b)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, groups=out_channels, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class ChannelGate(nn.Module):
    """x -> x * sigmoid(MLP(mean(x))): the unified aggregation gate, shared by all streams."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        gate = torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.fc2(gate))


class OSBlock(nn.Module):
    """Omni-scale residual block: y = relu(x + W sum_t gate(stream_t(reduce(x))))."""

    def __init__(
        self, in_channels: int, out_channels: int, *, streams: int = 4, instance_norm: bool = False
    ) -> None:
        super().__init__()
        mid = out_channels // 4
        self.reduce = ConvBnRelu(in_channels, mid, 1)
        self.streams = nn.ModuleList(
            nn.Sequential(*(LightConv3x3(mid, mid) for _ in range(depth)))
            for depth in range(1, streams + 1)
        )
        self.gate = ChannelGate(mid)
        self.expand = ConvBnRelu(mid, out_channels, 1, relu=False)
        self.shortcut = (
            ConvBnRelu(in_channels, out_channels, 1, relu=False)
            if in_channels != out_channels
            else nn.Identity()
        )
        self.norm = nn.InstanceNorm2d(out_channels, affine=True) if instance_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        reduced = self.reduce(x)
        mixed = self.gate(self.streams[0](reduced))
        for stream in list(self.streams)[1:]:
            mixed = mixed + self.gate(stream(reduced))
        return torch.relu(self.norm(self.expand(mixed) + self.shortcut(x)))


class OSNet(Backbone):
    """The OSNet trunk without its classifier.

    Its stages are the paper's conv2 to conv5 (table 1), each before the transition layer that
    halves the map: (256, 384, 512, 512) * width channels at strides 4, 8, 16, 16.

    Args:
        width: channel multiplier (0.25, 0.5, 0.75, 1.0).
        instance_norm: normalise each picture by itself in the stem and the first two stages,
            which removes a camera's style (the paper's OSNet-IBN variant); costs a little
            accuracy on the training site and wins on others.

    Input (B, 3, H, W); output (B, 512 * width, H / 16, W / 16).
    """

    def __init__(self, width: float = 1.0, *, instance_norm: bool = False) -> None:
        super().__init__()
        stem, c2, c3, c4 = (int(c * width) for c in (64, 256, 384, 512))
        self.stage_channels = (c2, c3, c4, c4)
        self.stage_strides = (4, 8, 16, 16)
        self.out_channels = c4
        self.stem = nn.Sequential(
            ConvBnRelu(3, stem, 7, 2, instance_norm=instance_norm), nn.MaxPool2d(3, 2, 1)
        )
        self.stage2 = self._stage(stem, c2, instance_norm, pool=True)
        self.stage3 = self._stage(c2, c3, instance_norm, pool=True)
        self.stage4 = self._stage(c3, c4, False, pool=False)
        self.final = ConvBnRelu(c4, c4, 1)

    @staticmethod
    def _stage(
        in_channels: int, out_channels: int, instance_norm: bool, pool: bool
    ) -> nn.Sequential:
        blocks: list[nn.Module] = [
            OSBlock(in_channels, out_channels),
            OSBlock(out_channels, out_channels, instance_norm=instance_norm),
        ]
        if pool:
            blocks += [ConvBnRelu(out_channels, out_channels, 1), nn.AvgPool2d(2, 2)]
        return nn.Sequential(*blocks)

    def stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> conv2 to conv5."""
        c2, halved = _blocks_then_transition(self.stage2, self.stem(x))
        c3, halved = _blocks_then_transition(self.stage3, halved)
        c4 = self.stage4(halved)
        return c2, c3, c4, self.final(c4)


def _blocks_then_transition(stage: nn.Sequential, x: Tensor) -> tuple[Tensor, Tensor]:
    """Output of a stage's two blocks, and of the transition after them."""
    first, second, mix, pool = stage
    blocks = second(first(x))
    return blocks, pool(mix(blocks))
