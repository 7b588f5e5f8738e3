"""The pyramid and its bottleneck block against plain float64 loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from reid.heads.pyramid import CrossScalePyramid
from reid.heads.residual import ResidualBottleneck


def conv_by_hand(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int = 1) -> Tensor:
    """(C, h, w) with zero padding, stride 1, kernel 1 or 3."""
    out, per_group, size, _ = weight.shape
    _, height, width = x.shape
    reach = size // 2
    found = torch.zeros(out, height, width, dtype=torch.float64)
    for o in range(out):
        first = o // (out // groups) * per_group
        for i in range(height):
            for j in range(width):
                total = 0.0 if bias is None else float(bias[o])
                for a in range(size):
                    for b in range(size):
                        y, z = i + a - reach, j + b - reach
                        if 0 <= y < height and 0 <= z < width:
                            column = x[first : first + per_group, y, z]
                            total += float((weight[o, :, a, b] * column).sum())
                found[o, i, j] = total
    return found


def upsampled_by_hand(x: Tensor, height: int, width: int) -> Tensor:
    _, h, w = x.shape
    rows = [int(i * h / height) for i in range(height)]
    columns = [int(j * w / width) for j in range(width)]
    return torch.stack([torch.stack([x[:, i, j] for j in columns], 1) for i in rows], 1)


def pyramid_by_hand(net: CrossScalePyramid, maps: list[Tensor], lateral: bool) -> list[Tensor]:
    last = len(maps) - 1

    def side(k: int) -> Tensor:
        layer: Any = net.laterals[str(k)]
        return conv_by_hand(maps[k], layer.weight, layer.bias)

    found = [side(last)]
    for k in reversed(range(last)):
        smooth: Any = net.smooths[k]
        up = upsampled_by_hand(found[0], *maps[k].shape[1:])
        down = conv_by_hand(up, smooth.weight, smooth.bias, smooth.groups)
        found.insert(0, down + side(k) if lateral else down)
    return found


SIZES = {
    "halving": [(8, 4), (4, 2), (2, 1)],
    "last stride 1": [(4, 2), (2, 1), (2, 1)],
    "odd": [(5, 3), (3, 2), (2, 1)],
}


def levels(sizes: str, channels: tuple[int, ...] = (3, 2, 4)) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(2, c, *hw, generator=generator, dtype=torch.float64)
        for c, hw in zip(channels, SIZES[sizes], strict=True)
    )


@pytest.mark.parametrize("sizes", list(SIZES))
@pytest.mark.parametrize(
    ("lateral", "smoothing"), [(True, "full"), (False, "full"), (True, "depthwise")]
)
def test_by_hand(sizes: str, lateral: bool, smoothing: Any) -> None:
    torch.manual_seed(1)
    net = CrossScalePyramid((3, 2, 4), 4, lateral=lateral, smoothing=smoothing).double()
    maps = levels(sizes)
    with torch.no_grad():
        found = net(maps)
        for b in range(2):
            expected = pyramid_by_hand(net, [level[b] for level in maps], lateral)
            for level, hand in zip(found, expected, strict=True):
                torch.testing.assert_close(level[b], hand, rtol=1e-9, atol=1e-10)


def test_lateral_alone_keeps_levels_apart() -> None:
    net = CrossScalePyramid((3, 2, 4), 5, top_down=False).double()
    maps = levels("halving")
    before = net(maps)
    after = net((maps[0], maps[1], maps[2] + 1))
    for k in (0, 1):
        torch.testing.assert_close(before[k], after[k], rtol=0, atol=0)
        layer: Any = net.laterals[str(k)]
        hand = conv_by_hand(maps[k][0], layer.weight.detach(), layer.bias.detach())
        torch.testing.assert_close(before[k][0].detach(), hand)


def test_without_both_maps_pass() -> None:
    net = CrossScalePyramid((3, 2, 4), 5, lateral=False, top_down=False)
    maps = levels("halving")
    assert net.out_channels == (3, 2, 4)
    assert list(net.parameters()) == []
    assert all(a is b for a, b in zip(net(maps), maps, strict=True))


def test_gradcheck_of_the_second_order_too() -> None:
    """MSGR differentiates twice through the head."""
    torch.manual_seed(0)
    net = CrossScalePyramid((2, 2), 2).double()
    generator = torch.Generator().manual_seed(0)
    maps = tuple(
        torch.randn(1, 2, *hw, generator=generator, dtype=torch.float64, requires_grad=True)
        for hw in ((4, 2), (2, 1))
    )
    torch.autograd.gradcheck(lambda a, b: net((a, b)), maps)
    torch.autograd.gradgradcheck(lambda a, b: net((a.pow(2), b.pow(2))), maps)


def bottleneck_by_hand(block: ResidualBottleneck, x: Tensor) -> Tensor:
    value = x
    for convolution, norm, relu in (
        (block.conv1, block.bn1, True),
        (block.conv2, block.bn2, True),
        (block.conv3, block.bn3, False),
    ):
        value = conv_by_hand(value, convolution.weight, None)
        for c in range(len(value)):
            mean, variance = float(norm.running_mean[c]), float(norm.running_var[c])
            scale = float(norm.weight[c]) / (variance + norm.eps) ** 0.5
            value[c] = (value[c] - mean) * scale + float(norm.bias[c])
        value = value.clamp(min=0) if relu else value
    return (x + value).clamp(min=0)


@pytest.mark.parametrize(
    ("channels", "mid", "inside"), [(4, None, 1), (8, 3, 3), (6, None, 1), (3, None, 1)]
)
def test_bottleneck_by_hand(channels: int, mid: int | None, inside: int) -> None:
    torch.manual_seed(0)
    block = ResidualBottleneck(channels, mid).double()
    block(torch.randn(4, channels, 3, 3, dtype=torch.float64))  # running statistics
    block.eval()
    x = torch.randn(2, channels, 4, 3, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.stack([bottleneck_by_hand(block, one) for one in x])
        torch.testing.assert_close(block(x), expected, rtol=1e-9, atol=1e-10)
    assert block.conv1.out_channels == inside
