"""Small trunks for the tests."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.backbones.hrnet import HRNet
from reid.backbones.osnet import OSNet
from reid.backbones.resnet import ResNet
from reid.backbones.slim import SlimResNet

MakeTrunk = Callable[[], Backbone]

TINY: dict[str, MakeTrunk] = {
    "osnet": lambda: OSNet(0.0625),
    "osnet_instance_norm": lambda: OSNet(0.0625, instance_norm=True),
    "resnet18": lambda: ResNet(18, width=4),
    "resnet50": lambda: ResNet(50, width=4),
    "resnet50_ibn_a": lambda: ResNet(50, width=4, ibn_a=True, last_stride=1),
    "slim": lambda: SlimResNet(4, (1, 1, 2), 8),
    "slim_instance_norm": lambda: SlimResNet(4, (1, 1, 2), 8, instance_norm=True),
    "hrnet": lambda: HRNet(4),
}


def settled(make: MakeTrunk, seed: int = 0) -> Backbone:
    """A trunk in evaluation mode with batch statistics of random pictures."""
    torch.manual_seed(seed)
    trunk = make().train()
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean of all batches
    with torch.no_grad():
        trunk(torch.randn(4, 3, 64, 32))
    return trunk.eval()


def close(found: Tensor, wanted: Tensor, share: float = 1e-4) -> None:
    """Equal up to a share of the largest value: rounding grows with the depth of a network."""
    torch.testing.assert_close(found, wanted, atol=share * float(wanted.abs().max()), rtol=0)
