"""HRNet: size, names and the exchange between branches by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from reid.backbones.hrnet import ExchangeModule, HRNet


def conv_bn(inputs: int, outputs: int, kernel: int) -> int:
    """Parameters of a convolution without bias and a batch normalisation."""
    return inputs * outputs * kernel**2 + 2 * outputs


def bottleneck(inputs: int, mid: int) -> int:
    """With a projection where the channels change."""
    inner = conv_bn(inputs, mid, 1) + conv_bn(mid, mid, 3) + conv_bn(mid, 4 * mid, 1)
    return inner + (conv_bn(inputs, 4 * mid, 1) if inputs != 4 * mid else 0)


def exchange_to(channels: list[int], target: int) -> int:
    """Parameters of everything that is added to one branch."""
    total = 0
    for source, have in enumerate(channels):
        if source > target:
            total += conv_bn(have, channels[target], 1)
        elif source < target:
            total += (target - source - 1) * conv_bn(have, have, 3)
            total += conv_bn(have, channels[target], 3)
    return total


def module(channels: list[int]) -> int:
    """Four residual blocks per branch and the exchange."""
    blocks = sum(4 * 2 * conv_bn(c, c, 3) for c in channels)
    return blocks + sum(exchange_to(channels, target) for target in range(len(channels)))


def trunk_parameters(width: int) -> int:
    """Counted from the description in the paper."""
    channels = [width * 2**k for k in range(4)]
    stem = conv_bn(3, 64, 3) + conv_bn(64, 64, 3) + bottleneck(64, 64) + 3 * bottleneck(256, 64)
    transitions = conv_bn(256, width, 3) + conv_bn(256, 2 * width, 3)
    transitions += sum(conv_bn(a, b, 3) for a, b in pairwise(channels[1:]))
    stages = module(channels[:2]) + 4 * module(channels[:3]) + 3 * module(channels)
    return stem + transitions + stages


@pytest.mark.parametrize("width", [4, 18, 32, 48])
def test_the_number_of_parameters(width: int) -> None:
    with torch.device("meta"):
        found = sum(p.numel() for p in HRNet(width).parameters())
    assert found == trunk_parameters(width)


def test_the_published_number_of_parameters() -> None:
    """HRNet-W32-C has 41.2 M, the pose network W32 28.5 M (Sun et al., CVPR 2019, table 1).

    The classifier's head: bottlenecks to 128, 256, 512, 1024 channels, three 3x3 convolutions
    of stride 2 with bias between them, 1x1 to 2048, a linear layer to 1000. The pose network
    has no exchange to the three coarse branches at the end, and a 1x1 layer to 17 joints.
    """
    trunk = trunk_parameters(32)
    channels = [32, 64, 128, 256]
    head = sum(bottleneck(c, c) for c in channels)
    head += sum(conv_bn(4 * c, 8 * c, 3) + 8 * c for c in channels[:3])
    head += conv_bn(1024, 2048, 1) + 2048 + 2048 * 1000 + 1000
    assert (trunk + head) / 1e6 == pytest.approx(41.2, abs=0.05)
    unused = sum(exchange_to(channels, target) for target in (1, 2, 3))
    assert (trunk - unused + 32 * 17 + 17) / 1e6 == pytest.approx(28.5, abs=0.05)


def test_the_names_are_the_public_ones() -> None:
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in HRNet(32).state_dict().items()}
    public = {
        "conv1.weight": (64, 3, 3, 3),
        "bn2.running_var": (64,),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.3.conv3.weight": (256, 64, 1, 1),
        "transition1.0.0.weight": (32, 256, 3, 3),
        "transition1.1.0.0.weight": (64, 256, 3, 3),
        "transition2.2.0.1.bias": (128,),
        "transition3.3.0.0.weight": (256, 128, 3, 3),
        "stage2.0.branches.1.3.bn2.weight": (64,),
        "stage2.0.fuse_layers.0.1.0.weight": (32, 64, 1, 1),
        "stage2.0.fuse_layers.1.0.0.0.weight": (64, 32, 3, 3),
        "stage3.3.fuse_layers.2.0.0.0.weight": (32, 32, 3, 3),
        "stage3.3.fuse_layers.2.0.1.1.weight": (128,),
        "stage4.2.fuse_layers.3.0.2.0.weight": (256, 32, 3, 3),
        "stage4.2.fuse_layers.0.3.1.running_mean": (32,),
    }
    assert {k: shapes.get(k) for k in public} == public
    assert not [name for name in shapes if name.startswith(("transition2.0", "transition3.2"))]


def normalised(norm: nn.Module, x: Tensor) -> Tensor:
    """Batch normalisation with stored statistics, written out."""
    assert isinstance(norm, nn.BatchNorm2d)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = norm.weight / (variance + norm.eps).sqrt()
    return x * scale[:, None, None] + (norm.bias - mean * scale)[:, None, None]


def strided_conv(weight: Tensor, x: Tensor) -> Tensor:
    """3x3 convolution of stride 2 with a border of zeros, cell by cell."""
    (_, height, width), out = x.shape, weight.shape[0]
    framed = torch.zeros(x.shape[0], height + 2, width + 2, dtype=x.dtype)
    framed[:, 1:-1, 1:-1] = x
    found = torch.zeros(out, (height + 1) // 2, (width + 1) // 2, dtype=x.dtype)
    for row in range(found.shape[1]):
        for column in range(found.shape[2]):
            window = framed[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            for channel in range(out):
                found[channel, row, column] = (weight[channel] * window).sum()
    return found


def exchanged(exchange: ExchangeModule, maps: list[Tensor], target: int) -> Tensor:
    """relu(sum_j f_ij(x_j)) of one picture, in plain loops."""
    total = maps[target].clone()
    for source, x in enumerate(maps):
        layer = exchange.fuse_layers[target].get_submodule(str(source))
        if source > target:
            mix, norm = layer.get_submodule("0"), layer.get_submodule("1")
            small = normalised(norm, torch.einsum("oi,ihw->ohw", mix.weight[:, :, 0, 0], x))
            times = 2 ** (source - target)
            for row in range(total.shape[1]):
                for column in range(total.shape[2]):
                    total[:, row, column] += small[:, row // times, column // times]
        elif source < target:
            for step in range(target - source):
                conv = layer.get_submodule(f"{step}.0")
                x = normalised(layer.get_submodule(f"{step}.1"), strided_conv(conv.weight, x))
                if step < target - source - 1:
                    x = x.clamp(min=0)
            total += x
    return total.clamp(min=0)


def test_the_exchange_by_hand() -> None:
    torch.manual_seed(0)
    exchange = ExchangeModule((2, 3, 4)).double().eval()
    exchange.branches = nn.ModuleList(nn.Identity() for _ in range(3))
    with torch.no_grad():
        for layer in exchange.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for value in (layer.weight, layer.bias, layer.running_mean):
                    value.normal_()
                layer.running_var.uniform_(0.5, 2)
        maps = [torch.randn(2, c, 8 // 2**k, 4 // 2**k).double() for k, c in enumerate((2, 3, 4))]
        found = exchange(tuple(maps))
        for target in range(3):
            assert found[target].shape == maps[target].shape
            for picture in range(2):
                wanted = exchanged(exchange, [x[picture] for x in maps], target)
                torch.testing.assert_close(found[target][picture], wanted)


def test_the_final_map_by_hand() -> None:
    """Cell (y, x) of a branch upsampled s times lies at (y + 0.5) / s - 0.5 of it."""
    trunk = HRNet(4)
    sizes = [(8, 4), (4, 2), (2, 1), (1, 1)]
    maps = tuple(torch.randn(1, 2, *size, dtype=torch.float64) for size in sizes)
    found = trunk.final_map(maps)[0]
    assert found.shape == (8, 8, 4)
    for branch, (height, width) in enumerate(sizes):
        source = maps[branch][0]
        for row in range(8):
            for column in range(4):
                y = min(max((row + 0.5) * height / 8 - 0.5, 0), height - 1)
                x = min(max((column + 0.5) * width / 4 - 0.5, 0), width - 1)
                top, left = int(y), int(x)
                low, right = min(top + 1, height - 1), min(left + 1, width - 1)
                upper = source[:, top, left] * (1 - x + left) + source[:, top, right] * (x - left)
                lower = source[:, low, left] * (1 - x + left) + source[:, low, right] * (x - left)
                wanted = upper * (1 - y + top) + lower * (y - top)
                cell = found[2 * branch : 2 * branch + 2, row, column]
                torch.testing.assert_close(cell, wanted)


@pytest.mark.parametrize("size", [(70, 46), (33, 65)])
def test_sides_that_32_does_not_divide(size: tuple[int, int]) -> None:
    trunk = HRNet(4).eval()
    with torch.no_grad():
        final = trunk(torch.randn(1, 3, *size))
    assert final.shape == (1, 60, -(-size[0] // 4), -(-size[1] // 4))
