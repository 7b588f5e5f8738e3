"""What every head must do, for the tests of single heads."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
import yaml
from reid_builders import TinyBackbone
from reid_settled import settled
from torch.func import functional_call

from reid.config import load_reid_config
from reid.network import Outputs, ReidNetwork
from reid.openvino_core import openvino_core

HW = (64, 32)
CONFIGS = Path(__file__).parents[2] / "configs" / "reid"


def tiny_network(config: Any, identities: int = 0, seed: int = 0) -> ReidNetwork:
    """TinyBackbone and a head with random weights and batch statistics, in evaluation mode."""
    torch.manual_seed(seed)
    backbone = TinyBackbone()
    return settled(ReidNetwork(backbone, config.build(backbone, identities)))


def pictures(count: int, seed: int = 1) -> torch.Tensor:
    """(count, 3, 64, 32)."""
    return torch.randn(count, 3, *HW, generator=torch.Generator().manual_seed(seed))


def differentiable(found: Outputs) -> tuple[torch.Tensor, ...]:
    """All floating tensors of the outputs but the backbone's maps."""
    branches = [t for b in found.branches.values() for t in (b.metric, b.neck, b.logits)]
    tensors = [found.embedding, *branches, found.parts, found.visibility, *found.extras.values()]
    return tuple(t for t in tensors if t is not None)


def check_gradients(config: Any, count: int = 2) -> None:
    """gradcheck of the whole network in float64, against pictures and all its weights."""
    network = tiny_network(config, identities=3).double()
    names = [name for name, p in network.named_parameters() if p.requires_grad]
    weights = [dict(network.named_parameters())[n].detach().requires_grad_() for n in names]
    images = pictures(count).double().requires_grad_()

    class All(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return differentiable(self.network.outputs(x))

    def run(x: torch.Tensor, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        state = {f"network.{n}": v for n, v in zip(names, values, strict=True)}
        found = functional_call(All(), state, (x,))
        return tuple(t for t in found if t.requires_grad)

    assert torch.autograd.gradcheck(run, (images, *weights), fast_mode=True)


def check_search(config: Any) -> None:
    """Without a classifier: unit vectors of the promised shapes, alike alone and in a batch."""
    network = tiny_network(config)
    images = pictures(8)
    with torch.no_grad():
        together = network(images)
        alone = [torch.cat(one) for one in zip(*(network(x[None]) for x in images), strict=True)]
        found = network.outputs(images)
    for one, many in zip(alone, together, strict=True):
        torch.testing.assert_close(one, many, atol=1e-5, rtol=0)
    assert together[0].shape == (8, network.head.embedding_dim)
    torch.testing.assert_close(together[0].norm(dim=1), torch.ones(8))
    assert all(branch.logits is None for branch in found.branches.values())
    if found.parts is not None:
        assert found.parts.shape == (8, *network.head.part_shape)
        torch.testing.assert_close(found.parts.norm(dim=2), torch.ones(found.parts.shape[:2]))


def check_promises(config: Any) -> None:
    """What a classifier sees, and the names that the configuration gives."""
    found = tiny_network(config, identities=5).outputs(pictures(3))
    assert all(
        branch.logits is not None and branch.logits.shape == (3, 5)
        for branch in found.branches.values()
    )
    given = set(found.extras) | ({"parts"} if found.parts is not None else set())
    assert given == config.gives


def check_openvino(config: Any) -> None:
    """The exported network gives what torch gives, for 1 and for 8 pictures."""
    network = tiny_network(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = ov.convert_model(network, example_input=torch.zeros(2, 3, *HW))
    for count in (1, 8):
        sized = converted.clone()
        sized.reshape([count, 3, *HW])
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        compiled = openvino_core().compile_model(sized, "CPU", options)
        images = pictures(count)
        with torch.no_grad():
            expected = network(images)
        result = compiled(images.numpy())
        for k, one in enumerate(expected):
            np.testing.assert_allclose(result[k], one.numpy(), atol=2e-4)


def check_every_weight_learns(config: Any, loss: Any) -> None:
    """`loss` of the outputs reaches every trainable weight of the head."""
    network = tiny_network(config, identities=3).train()
    loss(network.outputs(pictures(6))).backward()
    missing = [
        name
        for name, p in network.head.named_parameters()
        if p.requires_grad and (p.grad is None or not bool(p.grad.abs().sum() > 0))
    ]
    assert missing == []


def system_yaml(system: str) -> Any:
    """`configs/reid/SYSTEM.yaml` without what it extends."""
    return yaml.safe_load((CONFIGS / f"{system}.yaml").read_text(encoding="utf-8"))


def head_of(system: str) -> Any:
    """The head's configuration in `configs/reid/SYSTEM.yaml`, with what that extends."""
    return load_reid_config(CONFIGS / f"{system}.yaml").model.head
