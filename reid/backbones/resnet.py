"""ResNet (He et al., CVPR 2016) with the two options that ReID systems use.

Parameters are named as in torchvision, those of IBN-a as in the public IBN-Net weights, so that
an ImageNet file of either loads (`reid.backbones.pretrained`).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.backbones.ibn import IBN
from reid.backbones.residual import (
    BasicBlock,
    Bottleneck,
    ResidualBlock,
    initialise_convolutions,
    residual_layer,
)
from reid.errors import ReidError

_DEPTHS: dict[int, tuple[type[ResidualBlock], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}


class ResNet(Backbone):
    """The ResNet trunk: layer1 to layer4 at strides 4, 8, 16 and 16 * last_stride.

    Args:
        depth: 18, 34, 50 or 101.
        last_stride: of layer4; default 2. 1 keeps the map at stride 16, which wins accuracy
            (Luo et al., CVPRW 2019) and makes layer4 four times as expensive.
        ibn_a: IBN-a in layer1 to layer3; wins on unseen sites.
        width: channels of the stem; default 64, and only 64 loads public weights.

    Input (B, 3, H, W); output (B, 32 * width, h, w), for depth 18 and 34 (B, 8 * width, h, w).

    Raises:
        ReidError: a depth that is not offered.
    """

    def __init__(
        self,
        depth: int = 50,
        *,
        last_stride: Literal[1, 2] = 2,
        ibn_a: bool = False,
        width: int = 64,
    ) -> None:
        super().__init__()
        if depth not in _DEPTHS:
            raise ReidError(f"depth {depth}: ResNet is offered with {sorted(_DEPTHS)}")
        block, counts = _DEPTHS[depth]
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        mids = [width * 2**k for k in range(4)]
        outs = [mid * block.expansion for mid in mids]
        early = IBN if ibn_a else nn.BatchNorm2d
        self.layer1 = residual_layer(block, width, mids[0], counts[0], 1, early)
        self.layer2 = residual_layer(block, outs[0], mids[1], counts[1], 2, early)
        self.layer3 = residual_layer(block, outs[1], mids[2], counts[2], 2, early)
        self.layer4 = residual_layer(block, outs[2], mids[3], counts[3], last_stride)
        self.stage_channels = tuple(outs)
        self.stage_strides = (4, 8, 16, 16 * last_stride)
        self.out_channels = outs[-1]
        initialise_convolutions(self)

    def stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the outputs of layer1 to layer4."""
        c2 = self.layer1(self.maxpool(torch.relu(self.bn1(self.conv1(x)))))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)
