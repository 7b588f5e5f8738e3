"""ResNet against torchvision's, IBN-a and the residual blocks by hand."""

from __future__ import annotations

import pytest
import torch
import torchvision
from backbone_builders import close
from torch import Tensor, nn

from reid.backbones.ibn import IBN
from reid.backbones.residual import BasicBlock, Bottleneck, ResidualBlock
from reid.backbones.resnet import ResNet
from reid.errors import ReidError


def torchvision_stages(network: torchvision.models.ResNet, x: Tensor) -> list[Tensor]:
    """Outputs of layer1 to layer4."""
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    found = []
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        x = layer(x)
        found.append(x)
    return found


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_torchvisions_weights_give_torchvisions_maps(depth: int) -> None:
    torch.manual_seed(depth)
    theirs = getattr(torchvision.models, f"resnet{depth}")(weights=None).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.2, 0.6)
    ours = ResNet(depth).eval()
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}
    assert state.keys() == ours.state_dict().keys()
    ours.load_state_dict(state)
    images = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        pairs = zip(ours.stages(images), torchvision_stages(theirs, images), strict=True)
        for found, wanted in pairs:
            close(found, wanted, 1e-5)


def test_resnet101_has_torchvisions_tensors() -> None:
    with torch.device("meta"):
        theirs = torchvision.models.resnet101(weights=None).state_dict()
        ours = ResNet(101).state_dict()
    wanted = {k: v.shape for k, v in theirs.items() if not k.startswith("fc.")}
    assert {k: v.shape for k, v in ours.items()} == wanted


def test_the_last_stride_changes_no_weight_but_the_map() -> None:
    torch.manual_seed(0)
    coarse, fine = ResNet(50, width=4).eval(), ResNet(50, width=4, last_stride=1).eval()
    fine.load_state_dict(coarse.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        low, high = coarse.stages(images), fine.stages(images)
    assert low[3].shape[2:] == (2, 2)
    assert high[3].shape[2:] == (4, 4)
    for one, other in zip(low[:3], high[:3], strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_ibn_a_is_in_the_first_norm_of_layers_one_to_three() -> None:
    with torch.device("meta"):
        names = {n for n, m in ResNet(50, ibn_a=True).named_modules() if isinstance(m, IBN)}
    counts = {1: 3, 2: 4, 3: 6}
    assert names == {f"layer{n}.{k}.bn1" for n, count in counts.items() for k in range(count)}


def test_ibn_a_has_the_public_names() -> None:
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in ResNet(50, ibn_a=True).state_dict().items()}
    assert shapes["layer1.0.bn1.IN.weight"] == (32,)
    assert shapes["layer3.5.bn1.BN.running_var"] == (128,)
    assert "layer1.0.bn1.weight" not in shapes
    assert shapes["layer4.0.bn1.weight"] == (512,)
    assert shapes["bn1.weight"] == (64,)


@pytest.mark.parametrize("channels", [4, 7])
@pytest.mark.parametrize("training", [True, False])
def test_ibn_by_hand(channels: int, training: bool) -> None:
    """The first C // 2 channels over each picture alone, the others over the batch."""
    torch.manual_seed(0)
    norm = IBN(channels).double().train(training)
    with torch.no_grad():
        for value in (*norm.parameters(), norm.BN.running_mean):
            value.normal_()
        norm.BN.running_var.uniform_(0.5, 2)
    mean, variance = norm.BN.running_mean.clone(), norm.BN.running_var.clone()
    x = torch.randn(3, channels, 4, 2, dtype=torch.float64)
    found = norm(x)
    half = channels // 2
    for picture in range(3):
        for channel in range(channels):
            plane = x[picture, channel]
            if channel < half:
                centre, spread = plane.mean(), plane.var(correction=0)
                scale, shift = norm.IN.weight[channel], norm.IN.bias[channel]
            else:
                k, whole = channel - half, x[:, channel]
                centre = whole.mean() if training else mean[k]
                spread = whole.var(correction=0) if training else variance[k]
                scale, shift = norm.BN.weight[k], norm.BN.bias[k]
            wanted = (plane - centre) / (spread + 1e-5).sqrt() * scale + shift
            torch.testing.assert_close(found[picture, channel], wanted)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (6, 1), (8, 2)])
def test_gradients_of_the_blocks(block: type[ResidualBlock], channels: int, stride: int) -> None:
    torch.manual_seed(0)
    mid = 8 // block.expansion
    layer = block(channels, mid, stride, IBN if mid > 1 else nn.BatchNorm2d).double().eval()
    assert isinstance(layer.downsample, nn.Identity) == (channels == 8 and stride == 1)
    x = torch.randn(1, channels, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


def test_an_unknown_depth() -> None:
    with pytest.raises(ReidError, match="depth 51"):
        ResNet(51)
