"""A checkpoint named and shaped as torchreid's OSNet writes it, and what it computes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


def _norm(name: str, channels: int) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", torch.rand(channels) + 0.5
    yield f"{name}.bias", torch.randn(channels)
    yield f"{name}.running_mean", 0.3 * torch.randn(channels)
    yield f"{name}.running_var", torch.rand(channels) + 0.5
    yield f"{name}.num_batches_tracked", torch.tensor(7)


def _conv(name: str, into: int, outof: int, kernel: int = 1) -> Iterator[tuple[str, Tensor]]:
    spread = (2 / (into * kernel**2)) ** 0.5
    yield f"{name}.conv.weight", spread * torch.randn(outof, into, kernel, kernel)
    yield from _norm(f"{name}.bn", outof)


def _light(name: str, mid: int) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.conv1.weight", torch.randn(mid, mid, 1, 1) / mid**0.5
    yield f"{name}.conv2.weight", torch.randn(mid, 1, 3, 3) / 3
    yield from _norm(f"{name}.bn", mid)


def _block(name: str, into: int, outof: int) -> Iterator[tuple[str, Tensor]]:
    mid = outof // 4
    yield from _conv(f"{name}.conv1", into, mid)
    yield from _light(f"{name}.conv2a", mid)
    for letter, depth in (("b", 2), ("c", 3), ("d", 4)):
        for k in range(depth):
            yield from _light(f"{name}.conv2{letter}.{k}", mid)
    for layer in ("fc1", "fc2"):
        hidden = max(mid // 16, 1)
        shape = (hidden, mid, 1, 1) if layer == "fc1" else (mid, hidden, 1, 1)
        yield f"{name}.gate.{layer}.weight", torch.randn(shape)
        yield f"{name}.gate.{layer}.bias", torch.randn(shape[0])
    yield from _conv(f"{name}.conv3", mid, outof)
    if into != outof:
        yield from _conv(f"{name}.downsample", into, outof)


def torchreid_state(width: float = 0.0625, classes: int = 5, seed: int = 0) -> State:
    """Random tensors under torchreid's names."""
    torch.manual_seed(seed)
    stem, c2, c3, c4 = (int(c * width) for c in (64, 256, 384, 512))
    state = dict(_conv("conv1", 3, stem, 7))
    for stage, into, outof in ((2, stem, c2), (3, c2, c3), (4, c3, c4)):
        state |= dict(_block(f"conv{stage}.0", into, outof))
        state |= dict(_block(f"conv{stage}.1", outof, outof))
        if stage < 4:
            state |= dict(_conv(f"conv{stage}.2.0", outof, outof))
    state |= dict(_conv("conv5", c4, c4))
    state |= {"fc.0.weight": torch.randn(16, c4), "fc.0.bias": torch.randn(16)}
    state |= dict(_norm("fc.1", 16))
    return state | {
        "classifier.weight": torch.randn(classes, 16),
        "classifier.bias": torch.randn(5),
    }


def save_torchreid(path: Path, seed: int = 0) -> Path:
    """`torchreid_state` as a file."""
    torch.save(torchreid_state(seed=seed), path)
    return path


def _bn(state: State, name: str, x: Tensor) -> Tensor:
    keys = ("running_mean", "running_var", "weight", "bias")
    mean, variance, scale, shift = (state[f"{name}.{key}"] for key in keys)
    shape = (-1, 1, 1) if x.dim() == 4 else (-1,)
    out = (x - mean.reshape(shape)) / (variance.reshape(shape) + 1e-5).sqrt()
    return out * scale.reshape(shape) + shift.reshape(shape)


def _run_conv(state: State, name: str, x: Tensor, stride: int = 1, pad: int = 0) -> Tensor:
    return _bn(state, f"{name}.bn", F.conv2d(x, state[f"{name}.conv.weight"], None, stride, pad))


def _run_light(state: State, name: str, x: Tensor) -> Tensor:
    x = F.conv2d(x, state[f"{name}.conv1.weight"])
    x = F.conv2d(x, state[f"{name}.conv2.weight"], padding=1, groups=x.shape[1])
    return _bn(state, f"{name}.bn", x).relu()


def _run_block(state: State, name: str, x: Tensor) -> Tensor:
    inner = _run_conv(state, f"{name}.conv1", x).relu()
    total = torch.zeros_like(inner)
    for letter, depth in zip("abcd", range(1, 5), strict=True):
        stream = inner
        for k in range(depth):
            place = f"{name}.conv2{letter}" + ("" if letter == "a" else f".{k}")
            stream = _run_light(state, place, stream)
        gate = stream.mean((2, 3), keepdim=True)
        for layer in ("fc1", "fc2"):
            fc = f"{name}.gate.{layer}"
            gate = F.conv2d(gate, state[f"{fc}.weight"], state[f"{fc}.bias"])
            gate = gate.relu() if layer == "fc1" else gate.sigmoid()
        total = total + gate * stream
    shortcut = x
    if f"{name}.downsample.conv.weight" in state:
        shortcut = _run_conv(state, f"{name}.downsample", x)
    return (_run_conv(state, f"{name}.conv3", total) + shortcut).relu()


def torchreid_feature(state: State, images_rgb: Tensor) -> Tensor:
    """(B, 3, H, W) normalised RGB -> (B, 16), straight from the tensors."""
    x = F.max_pool2d(_run_conv(state, "conv1", images_rgb, 2, 3).relu(), 3, 2, 1)
    for stage in (2, 3, 4):
        for block in (0, 1):
            x = _run_block(state, f"conv{stage}.{block}", x)
        if stage < 4:
            x = F.avg_pool2d(_run_conv(state, f"conv{stage}.2.0", x).relu(), 2)
    x = _run_conv(state, "conv5", x).relu().mean((2, 3))
    x = x @ state["fc.0.weight"].T + state["fc.0.bias"]
    return _bn(state, "fc.1", x).relu()
