"""OpenVINO computes the maps that torch computes."""

from __future__ import annotations

import warnings

import numpy as np
import openvino as ov
import pytest
import torch
from backbone_builders import TINY, settled
from numpy.typing import NDArray
from torch import Tensor, nn

from reid.backbones.hrnet import ExchangeModule
from reid.openvino_core import openvino_core

HW = (64, 32)
FAST = ("osnet_instance_norm", "resnet18", "resnet50_ibn_a", "slim_instance_norm")
EXACT = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
"""bfloat16, the default where the CPU has it, loses the directions of random networks."""


def converted_outputs(network: nn.Module, images: Tensor) -> list[NDArray[np.float32]]:
    """What OpenVINO makes of (B, 3, H, W) images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's tracer warns about its own layers
        model = ov.convert_model(network, example_input=images)
    model.reshape(list(images.shape))
    result = openvino_core().compile_model(model, "CPU", EXACT)(images.numpy())
    return [np.asarray(result[k]) for k in range(len(model.outputs))]


def alike(found: NDArray[np.float32], wanted: Tensor) -> None:
    """Same shape, and cosine above 0.999 for each picture."""
    assert found.shape == wanted.shape
    for one, other in zip(found, wanted.numpy(), strict=True):
        lengths = np.linalg.norm(one) * np.linalg.norm(other)
        assert lengths > 0
        assert (one * other).sum() / lengths > 0.999


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in TINY]
)
def test_openvino_gives_the_same_map(name: str) -> None:
    trunk = settled(TINY[name])
    images = torch.randn(2, 3, *HW)
    with torch.no_grad():
        wanted = trunk(images)
        alike(converted_outputs(trunk, images)[0], wanted)


class Branches(nn.Module):
    """Two branches made of one map, through an exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.exchange = ExchangeModule((3, 6))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> both branches."""
        half = x[:, :, ::2, ::2]
        return self.exchange((x, torch.cat([half, -half], 1)))


@pytest.mark.slow
def test_openvino_gives_the_same_exchange() -> None:
    torch.manual_seed(0)
    network, images = Branches().eval(), torch.randn(2, 3, 16, 8)
    with torch.no_grad():
        wanted = network(images)
        found = converted_outputs(network, images)
    for one, other in zip(found, wanted, strict=True):
        alike(one, other)
