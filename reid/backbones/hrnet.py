"""HRNet: branches of four resolutions side by side (Wang et al., TPAMI 2020).

A stage adds a branch of half the resolution and twice the channels; each of its modules runs
four residual blocks per branch and then adds every branch to every other (figure 3). Parameters
are named as in the public HRNet-Wxx-C ImageNet checkpoints, so that such a file loads.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.backbones.residual import (
    BasicBlock,
    Bottleneck,
    conv3x3,
    initialise_convolutions,
    residual_layer,
)

_BLOCKS_PER_BRANCH = 4
_STEM = 64


class ExchangeModule(nn.Module):
    """Residual blocks in each branch, then the exchange between the branches.

    y_i = relu(sum_j f_ij(x_j)): f_ii is the identity; for j > i (coarser) a 1x1 convolution and
    nearest upsampling; for j < i (finer) i - j 3x3 convolutions of stride 2, of which only the
    last one changes the channels and has no ReLU.

    Args:
        channels: of the branches, fine to coarse.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            residual_layer(BasicBlock, c, c, _BLOCKS_PER_BRANCH) for c in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_fuse_layer(channels, source, target) for source in range(len(channels)))
            for target in range(len(channels))
        )

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Maps of the branches, fine to coarse -> maps of the same shapes."""
        inner = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return tuple(self._exchange(inner, target) for target in range(len(inner)))

    def _exchange(self, inner: list[Tensor], target: int) -> Tensor:
        mixed = inner[target]
        for source, layer in enumerate(self.fuse_layers[target].children()):
            if source == target:
                continue
            part = layer(inner[source])
            if source > target:
                part = F.interpolate(part, inner[target].shape[2:], mode="nearest")
            mixed = mixed + part
        return torch.relu(mixed)


class HRNet(Backbone):
    """The HRNet-W`width` trunk; its stages are the four branches, at strides 4, 8, 16, 32.

    Args:
        width: channels of the finest branch; default 32 (18, 32 and 48 have public weights).

    Input (B, 3, H, W); output (B, 15 * width, H / 4, W / 4): all branches upsampled bilinearly
    to the finest and concatenated, 480 channels of W32, as ISP (Zhu et al., ECCV 2020) and PGR
    use it.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        channels = [width * 2**k for k in range(4)]
        self.conv1 = conv3x3(3, _STEM, 2)
        self.bn1 = nn.BatchNorm2d(_STEM)
        self.conv2 = conv3x3(_STEM, _STEM, 2)
        self.bn2 = nn.BatchNorm2d(_STEM)
        self.layer1 = residual_layer(Bottleneck, _STEM, _STEM, 4)
        self.transition1 = _transition([_STEM * Bottleneck.expansion], channels[:2])
        self.stage2 = _stage(channels[:2], modules=1)
        self.transition2 = _transition(channels[:2], channels[:3])
        self.stage3 = _stage(channels[:3], modules=4)
        self.transition3 = _transition(channels[:3], channels)
        self.stage4 = _stage(channels, modules=3)
        self.stage_channels = tuple(channels)
        self.stage_strides = (4, 8, 16, 32)
        self.out_channels = sum(channels)
        initialise_convolutions(self)

    def stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the four branches after stage 4."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        maps: tuple[Tensor, ...] = (self.layer1(x),)
        maps = self.stage2(_add_branch(self.transition1, maps))
        maps = self.stage3(_add_branch(self.transition2, maps))
        return self.stage4(_add_branch(self.transition3, maps))

    def final_map(self, stages: tuple[Tensor, ...]) -> Tensor:
        """The four branches -> (B, 15 * width, H / 4, W / 4)."""
        size = stages[0].shape[2:]
        coarse = (F.interpolate(x, size, mode="bilinear") for x in stages[1:])
        return torch.cat([stages[0], *coarse], 1)


def _stage(channels: Sequence[int], modules: int) -> nn.Sequential:
    return nn.Sequential(*(ExchangeModule(channels) for _ in range(modules)))


def _fuse_layer(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """f_ij without its upsampling, i the target and j the source branch."""
    have, want = channels[source], channels[target]
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(nn.Conv2d(have, want, 1, bias=False), nn.BatchNorm2d(want))
    steps = [_conv_bn_relu(have, have, 2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, nn.Sequential(conv3x3(have, want, 2), nn.BatchNorm2d(want)))


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """One layer per branch after it; the last one makes the new, coarser branch."""
    layers: list[nn.Module] = [
        nn.Identity() if have == want else _conv_bn_relu(have, want, 1)
        for have, want in zip(before, after, strict=False)
    ]
    layers.append(nn.Sequential(_conv_bn_relu(before[-1], after[-1], 2)))
    return nn.ModuleList(layers)


def _add_branch(transition: nn.ModuleList, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The new branch comes from the coarsest one."""
    sources = (*maps, maps[-1])
    return tuple(layer(x) for layer, x in zip(transition, sources, strict=True))


def _conv_bn_relu(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    norm = nn.BatchNorm2d(out_channels)
    return nn.Sequential(conv3x3(in_channels, out_channels, stride), norm, nn.ReLU(inplace=True))
