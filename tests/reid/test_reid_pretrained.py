"""ImageNet checkpoints: what loads, what is refused, and the words of the refusals."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from backbone_builders import TINY
from safetensors.torch import save_file
from torch import Tensor

from reid.backbones.base import Backbone
from reid.backbones.pretrained import load_pretrained, read_state
from reid.errors import ReidError

HEADS = {
    "osnet": ("classifier.weight",),
    "resnet18": ("fc.weight", "fc.bias"),
    "resnet50_ibn_a": ("fc.weight", "fc.bias"),
    "hrnet": (
        "incre_modules.0.0.conv1.weight",
        "downsamp_modules.1.0.bias",
        "final_layer.0.bias",
        "classifier.bias",
    ),
}


def weights(name: str, seed: int = 1) -> dict[str, Tensor]:
    """The state of another trunk of this kind."""
    torch.manual_seed(seed)
    return TINY[name]().state_dict()


def same(backbone: Backbone, wanted: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, wanted[name]) for name, value in backbone.state_dict().items())


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_checkpoint_loads(tmp_path: Path, name: str, suffix: str) -> None:
    state = weights(name)
    heads = {name: torch.zeros(2, 3) for name in HEADS[name]}
    path = tmp_path / f"file{suffix}"
    content = {k: v.clone() for k, v in (state | heads).items()}
    if suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    backbone = TINY[name]()
    assert not same(backbone, state)
    load_pretrained(backbone, path)
    assert same(backbone, state)


@pytest.mark.parametrize("wrapper", ["state_dict", "model", None])
@pytest.mark.parametrize("prefix", ["module.", "backbone.", "module.backbone."])
def test_wrappers_and_prefixes(tmp_path: Path, wrapper: str | None, prefix: str) -> None:
    state = weights("resnet18")
    named: Any = {prefix + name: value for name, value in state.items()}
    torch.save({wrapper: named, "epoch": 90} if wrapper else named, tmp_path / "file.pth")
    backbone = TINY["resnet18"]()
    load_pretrained(backbone, tmp_path / "file.pth")
    assert same(backbone, state)


def test_old_files_have_no_counters(tmp_path: Path) -> None:
    state = weights("resnet18")
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    torch.save(old, tmp_path / "file.pth")
    backbone = TINY["resnet18"]()
    load_pretrained(backbone, tmp_path / "file.pth")
    assert same(backbone, state)


@pytest.mark.parametrize(
    ("saved", "into", "message"),
    [
        (
            "resnet50",
            "resnet18",
            r"layer1\.0\.conv1\.weight is \(4, 4, 1, 1\), here",
        ),
        ("resnet18", "resnet50", r"layer1\.0\.conv1\.weight is \(4, 4, 3, 3\), here"),
        ("resnet50", "resnet50_ibn_a", r"layer1\.0\.bn1\.weight is not in this network"),
        ("resnet50_ibn_a", "resnet50", r"layer1\.0\.bn1\.IN\.weight is not in this network"),
        ("resnet18", "hrnet", r"conv1\.weight is \(4, 3, 7, 7\), here \(64, 3, 3, 3\)"),
        ("hrnet", "osnet", r"conv1\.weight is not in this network"),
        ("osnet_instance_norm", "osnet", r"stage2\.1\.norm\.weight is not in this network"),
    ],
)
def test_another_architecture_is_refused(
    tmp_path: Path, saved: str, into: str, message: str
) -> None:
    path = tmp_path / "file.pth"
    torch.save(weights(saved), path)
    backbone = TINY[into]()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    with pytest.raises(ReidError, match=rf"file\.pth: of another architecture: {message}"):
        load_pretrained(backbone, path)
    assert same(backbone, before)


def test_a_missing_tensor_is_named_and_nothing_is_loaded(tmp_path: Path) -> None:
    state = weights("resnet18")
    del state["layer2.1.bn2.bias"]
    torch.save(state, tmp_path / "file.pth")
    backbone = TINY["resnet18"]()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    with pytest.raises(ReidError, match=r"layer2\.1\.bn2\.bias is missing in the file"):
        load_pretrained(backbone, tmp_path / "file.pth")
    assert same(backbone, before)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("file.bin", b"x", r"a checkpoint ends in \.pth, \.pt or \.safetensors"),
        ("file.pth", None, "no such checkpoint"),
        ("file.pth", b"", "not a readable checkpoint"),
        ("file.pth", b"PK nonsense", "not a readable checkpoint"),
        ("file.pt", pickle.dumps(print, 2), "not a readable checkpoint of plain tensors"),
        ("file.safetensors", b"nonsense", "not a readable checkpoint"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ReidError, match=message):
        read_state(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "no tensors by name"),
        ({}, "no tensors by name"),
        ({"state_dict": {}}, "no tensors by name"),
        ({"conv1.weight": 3}, r"conv1\.weight: not a tensor"),
        ({4: torch.zeros(1)}, "4: not a tensor"),
    ],
)
def test_contents_that_are_no_weights(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(ReidError, match=message):
        read_state(tmp_path / "file.pth")


def test_a_half_precision_file_gives_float32_weights(tmp_path: Path) -> None:
    state = weights("resnet18")
    halves = {k: v.half() if v.dtype.is_floating_point else v for k, v in state.items()}
    torch.save(halves, tmp_path / "file.pth")
    backbone = TINY["resnet18"]()
    load_pretrained(backbone, tmp_path / "file.pth")
    found = backbone.state_dict()["layer3.0.conv1.weight"]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, halves["layer3.0.conv1.weight"].float(), atol=0, rtol=0)
