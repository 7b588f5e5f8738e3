"""A slim residual network: few layers, dense 3x3 convolutions, for a processor without a GPU.

Depthwise convolutions, as OSNet has them, save multiplications but not time where a processor
multiplies matrices in hardware (AMX, VNNI): memory is then the limit. This trunk has the basic
blocks of ResNet (He et al., CVPR 2016, figure 5 left) with a channel gate on each
(squeeze-and-excitation, Hu et al., CVPR 2018), and stays at stride 8, so that a small picture has
as many cells as a large one has in other trunks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.backbones.osnet import ChannelGate, ConvBnRelu


class GatedBlock(nn.Module):
    """y = relu(shortcut(x) + gate(f(x))), f being two 3x3 convolutions.

    A stride of 2 is the first convolution's; the shortcut then averages pairs of pixels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, *, instance_norm: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = ConvBnRelu(in_channels, out_channels, 3, stride)
        self.conv2 = ConvBnRelu(out_channels, out_channels, 3, relu=False)
        self.gate = ChannelGate(out_channels)
        shortcut: list[nn.Module] = []
        if stride > 1:
            shortcut.append(nn.AvgPool2d(stride, stride, ceil_mode=True))
        if in_channels != out_channels:
            shortcut.append(ConvBnRelu(in_channels, out_channels, 1, relu=False))
        self.shortcut = nn.Sequential(*shortcut)
        self.norm = nn.InstanceNorm2d(out_channels, affine=True) if instance_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride)."""
        return torch.relu(self.norm(self.gate(self.conv2(self.conv1(x))) + self.shortcut(x)))


class SlimResNet(Backbone):
    """Stem, blocks at stride 4, blocks at stride 8 in two stages, and a 1x1 convolution.

    Args:
        channels: at stride 4; twice as many at stride 8, half as many in the stem.
        blocks: how many at stride 4, and in each of the two stages at stride 8.
        out_channels: of the final map.
        instance_norm: normalise each picture by itself in the stem and after the blocks at
            stride 4, as OSNet-IBN does.

    Input (B, 3, H, W); output (B, out_channels, H / 8, W / 8), odd sides rounded up.
    """

    def __init__(
        self,
        channels: int = 64,
        blocks: Sequence[int] = (2, 2, 3),
        out_channels: int = 384,
        *,
        instance_norm: bool = False,
    ) -> None:
        super().__init__()
        wide = 2 * channels
        self.stem = nn.Sequential(
            ConvBnRelu(3, channels // 2, 3, 2, instance_norm=instance_norm),
            ConvBnRelu(channels // 2, channels, 3, 2),
        )
        last = blocks[0] - 1
        self.stage2 = nn.Sequential(
            *(
                GatedBlock(channels, channels, instance_norm=instance_norm and number == last)
                for number in range(blocks[0])
            )
        )
        self.stage3 = nn.Sequential(
            GatedBlock(channels, wide, 2), *(GatedBlock(wide, wide) for _ in range(blocks[1] - 1))
        )
        self.stage4 = nn.Sequential(*(GatedBlock(wide, wide) for _ in range(blocks[2])))
        self.final = ConvBnRelu(wide, out_channels, 1)
        self.stage_channels = (channels, wide, wide, out_channels)
        self.stage_strides = (4, 8, 8, 8)
        self.out_channels = out_channels

    def stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the blocks at stride 4, both stages at stride 8, the final map."""
        c2 = self.stage2(self.stem(x))
        c3 = self.stage3(c2)
        c4 = self.stage4(c3)
        return c2, c3, c4, self.final(c4)
