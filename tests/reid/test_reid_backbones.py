"""What every trunk promises: stages, strides, channels, gradients, determinism."""

from __future__ import annotations

import pytest
import torch
from backbone_builders import TINY, MakeTrunk, close, settled
from torch import nn

from reid.backbones.hrnet import HRNet
from reid.backbones.osnet import ChannelGate, OSNet
from reid.backbones.resnet import ResNet
from reid.backbones.slim import GatedBlock, SlimResNet

WHOLE: dict[str, tuple[MakeTrunk, tuple[int, ...], tuple[int, ...], int]] = {
    "osnet_x0_25": (lambda: OSNet(0.25), (64, 96, 128, 128), (4, 8, 16, 16), 128),
    "osnet_x0_5": (lambda: OSNet(0.5), (128, 192, 256, 256), (4, 8, 16, 16), 256),
    "osnet_x0_75": (lambda: OSNet(0.75), (192, 288, 384, 384), (4, 8, 16, 16), 384),
    "osnet_x1_0": (lambda: OSNet(1.0), (256, 384, 512, 512), (4, 8, 16, 16), 512),
    "resnet18": (lambda: ResNet(18), (64, 128, 256, 512), (4, 8, 16, 32), 512),
    "resnet50": (lambda: ResNet(50), (256, 512, 1024, 2048), (4, 8, 16, 32), 2048),
    "resnet50_last_stride_1": (
        lambda: ResNet(50, last_stride=1, ibn_a=True),
        (256, 512, 1024, 2048),
        (4, 8, 16, 16),
        2048,
    ),
    "slim": (SlimResNet, (64, 128, 128, 384), (4, 8, 8, 8), 384),
    "hrnet_w32": (lambda: HRNet(32), (32, 64, 128, 256), (4, 8, 16, 32), 480),
}


@pytest.mark.parametrize("name", WHOLE)
def test_shapes_of_the_whole_networks(name: str) -> None:
    make, channels, strides, out_channels = WHOLE[name]
    with torch.device("meta"):
        trunk = make().eval()
    assert trunk.stage_channels == channels
    assert trunk.stage_strides == strides
    assert trunk.out_channels == out_channels
    cell = 4 if name.startswith("hrnet") else strides[-1]
    for height, width in ((64, 32), (256, 128)):
        images = torch.empty(2, 3, height, width, device="meta")
        assert [tuple(stage.shape) for stage in trunk.stages(images)] == [
            (2, c, height // s, width // s) for c, s in zip(channels, strides, strict=True)
        ]
        assert trunk(images).shape == (2, out_channels, height // cell, width // cell)


@pytest.mark.parametrize("name", TINY)
def test_the_final_map_is_made_of_the_stages(name: str) -> None:
    trunk = settled(TINY[name])
    images = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        stages = trunk.stages(images)
        final = trunk(images)
        torch.testing.assert_close(final, trunk.final_map(stages))
    if name != "hrnet":
        torch.testing.assert_close(final, stages[-1])


@pytest.mark.parametrize("name", TINY)
def test_every_weight_gets_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    trunk = TINY[name]().train()
    for module in trunk.modules():
        if isinstance(module, ChannelGate):  # at this width its one hidden unit may be off
            nn.init.ones_(module.fc1.bias)
    trunk(torch.randn(4, 3, 64, 64)).pow(2).sum().backward()
    without = [n for n, p in trunk.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@pytest.mark.parametrize("name", TINY)
def test_evaluation_is_deterministic_and_by_picture(name: str) -> None:
    trunk = settled(TINY[name])
    images = torch.randn(3, 3, 64, 32)
    with torch.no_grad():
        first, second = trunk(images), trunk(images)
        alone = torch.cat([trunk(image[None]) for image in images])
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    close(first, alone)
    assert first.std() > 1e-3


@pytest.mark.parametrize("name", TINY)
def test_float64(name: str) -> None:
    trunk = settled(TINY[name])
    images = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        single = trunk(images)
        double = trunk.double()(images.double())
    assert double.dtype == torch.float64
    close(single.double(), double)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(7, 5), (8, 6)])
def test_a_gated_block_is_its_formula(stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = GatedBlock(4, 4 * stride, stride, instance_norm=True).train()
    x = torch.randn(3, 4, *size)
    residual = block.conv2[1](block.conv2[0](torch.relu(block.conv1[1](block.conv1[0](x)))))
    hidden = torch.relu(block.gate.fc1(residual.mean((2, 3), keepdim=True)))
    gated = residual * torch.sigmoid(block.gate.fc2(hidden))
    skipped = x
    if stride == 2:
        padded = nn.functional.pad(x, (0, size[1] % 2, 0, size[0] % 2), value=torch.nan)
        pairs = padded.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4).nanmean(4)
        skipped = block.shortcut[1](pairs)
    wanted = torch.relu(block.norm(gated + skipped))
    torch.testing.assert_close(block(x), wanted)
    assert wanted.shape[2:] == tuple(-(-side // stride) for side in size)


def test_instance_norm_forgets_contrast_and_brightness() -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 32)
    changed = images * torch.tensor([0.5, 2.0])[:, None, None, None] + 0.3

    def moved(instance_norm: bool) -> float:
        stem = SlimResNet(8, (1, 1, 1), 16, instance_norm=instance_norm).eval().stem[0]
        with torch.no_grad():
            # away from the border, where padding with zeros tells brightness
            first, second = (stem(x)[:, :, 2:-2, 2:-2] for x in (images, changed))
        return float((first - second).abs().max() / first.abs().max())

    assert moved(True) < 0.2 < moved(False)
