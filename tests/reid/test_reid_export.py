"""Exports: what is written says what torch says, and nothing else is left behind."""

from __future__ import annotations

import importlib.util
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import Result
from reid_builders import TINY_HW, tiny_model, tiny_weights
from reid_head_checks import tiny_network
from torch import nn
from typer.testing import CliRunner

import reid.export
from reid.cli import app
from reid.errors import ReidError
from reid.export import check_format, compare, example, export
from reid.heads.acrn import ACRNConfig
from reid.heads.aligned import AlignedConfig
from reid.heads.bnneck import BNNeckConfig
from reid.heads.glad import GLADConfig
from reid.heads.pgr import PGRConfig
from reid.openvino_core import openvino_core
from reid.weights_file import load_weights

PGR = PGRConfig(dim=8, part_count=3, part_dim=4, pixel_dim=4)
GLAD = GLADConfig(dim=8)


@pytest.mark.parametrize("batch", [1, 3])
def test_onnx_has_names_joints_and_any_batch(tmp_path: Path, batch: int) -> None:
    """Read by OpenVINO as any ONNX file."""
    network = tiny_network(GLAD)
    path = tmp_path / "new" / "a.onnx"
    written = export(network, TINY_HW, "print", "onnx", path)
    assert written.outputs == ("embedding",)
    assert 0.999 < written.cosine < 1.001
    model = onnx.load(path)
    assert [value.name for value in model.graph.input] == ["images", "joints"]
    assert [value.name for value in model.graph.output] == ["embedding"]
    about = {prop.key: prop.value for prop in model.metadata_props}
    assert about["fingerprint"] == "print"
    assert json.loads(about["input_hw"]) == list(TINY_HW)
    compiled = openvino_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    images = torch.randn(batch, 3, *TINY_HW)
    joints = torch.rand(batch, 14, 2)
    joints[0, 2:5] = torch.nan
    with torch.no_grad():
        wanted = network(images, joints)[0].numpy()
    found = compiled({"images": images.numpy(), "joints": joints.numpy()})["embedding"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert [path.name for path in path.parent.iterdir()] == ["a.onnx"]


def load(path: Path, **extra: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.load(str(path), **extra)


def test_torchscript_gives_parts_by_name(tmp_path: Path) -> None:
    network = tiny_network(PGR)
    path = tmp_path / "a.pt"
    written = export(network, TINY_HW, "print", "torchscript", path)
    assert written.outputs == ("embedding", "parts", "visibility")
    extra = {"crosswalk.json": ""}
    loaded = load(path, _extra_files=extra)
    assert json.loads(extra["crosswalk.json"])["fingerprint"] == "print"
    images = torch.randn(5, 3, *TINY_HW)
    with torch.no_grad():
        wanted, found = network(images), loaded(images)
    for name, value in zip(written.outputs, wanted, strict=True):
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=0)


def test_torchscript_with_joints(tmp_path: Path) -> None:
    network = tiny_network(GLAD)
    export(network, TINY_HW, "print", "torchscript", tmp_path / "a.pt")
    loaded = load(tmp_path / "a.pt")
    inputs = example(network, TINY_HW, 3)
    with torch.no_grad():
        found = loaded(inputs["images"], inputs["joints"])["embedding"]
        torch.testing.assert_close(found, network(**inputs)[0], atol=1e-5, rtol=0)
    assert torch.isnan(inputs["joints"]).any()


def test_openvino_is_a_folder(tmp_path: Path) -> None:
    network = tiny_network(BNNeckConfig(dim=8))
    path = tmp_path / "folder"
    written = export(network, TINY_HW, "print", "openvino", path)
    assert sorted(file.name for file in path.iterdir()) == ["model.bin", "model.xml"]
    model = openvino_core().read_model(path / "model.xml")
    assert model.get_rt_info(["crosswalk", "fingerprint"]).astype(str) == "print"
    assert [port.get_any_name() for port in model.inputs] == ["images"]
    assert model.inputs[0].partial_shape[0].is_dynamic
    compiled = openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    images = torch.randn(3, 3, *TINY_HW)
    with torch.no_grad():
        wanted = network(images)
    found = compiled({"images": images.numpy()})
    for name, value in zip(written.outputs, wanted, strict=True):
        assert (found[name] * value.numpy()).sum(-1).min() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", [PGR, GLAD, ACRNConfig(), AlignedConfig()], ids=lambda config: config.name
)
def test_openvino_of_more_heads(tmp_path: Path, config: Any) -> None:
    written = export(tiny_network(config), TINY_HW, "print", "openvino", tmp_path / "folder")
    assert written.cosine > 0.999


class ChangesWhenTraced(nn.Module):
    """Turns its vectors only outside of the tracer, so that what is written differs."""

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors if torch.jit.is_tracing() else vectors.roll(1, 1)


@pytest.mark.parametrize("kind", ["torchscript", "onnx"])
def test_what_differs_is_not_left(tmp_path: Path, kind: str) -> None:
    network = tiny_model()
    neck = network.head.neck
    assert isinstance(neck, nn.Module)
    network.head.neck = nn.Sequential(neck, ChangesWhenTraced())
    old = tmp_path / "a.file"
    old.write_text("kept")
    with pytest.raises(ReidError, match=r"a.file: the exported network differs from torch"):
        export(network, TINY_HW, "x", check_format(kind), old, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["a.file"]
    assert old.read_text() == "kept"


def test_likeness_by_hand() -> None:
    network = tiny_network(PGR)

    def answers(name: str, change: Any) -> Any:
        def run(inputs: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
            found = network.outputs(inputs["images"])
            named = {
                "embedding": found.embedding,
                "parts": found.parts,
                "visibility": found.visibility,
            }
            arrays = {key: value.numpy() for key, value in named.items() if value is not None}
            return arrays | {name: change(arrays.get(name))}

        return run

    same = answers("parts", lambda value: value)
    assert compare(network, same, TINY_HW) == pytest.approx(1, abs=1e-5)
    flipped = answers("parts", lambda value: -value)
    assert compare(network, flipped, TINY_HW) == pytest.approx(-1, abs=1e-5)
    for name, change in (
        ("visibility", lambda value: value + 0.02),
        ("embedding", lambda value: value * np.nan),
        ("embedding", lambda value: value[:1, :4]),
        ("colour", lambda value: np.ones(1)),
    ):
        assert compare(network, answers(name, change), TINY_HW) == 0


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        reid.export.importlib.util,
        "find_spec",
        lambda name: None if name == "onnx" else find(name),
    )
    with pytest.raises(ReidError, match="package onnx is missing: pip install onnx"):
        export(tiny_model(), TINY_HW, "x", "onnx", tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, words)])


def test_the_command(tmp_path: Path) -> None:
    weights = tiny_weights(tmp_path / "w.safetensors")
    words = ("--weights", weights, "--to", "onnx", "--out", tmp_path / "w.onnx", "--json")
    result = call(*words)
    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    assert printed.pop("cosine_to_torch") > 0.999
    assert printed == {
        "exported": str(tmp_path / "w.onnx"),
        "to": "onnx",
        "weights": str(weights),
        "config": None,
        "fingerprint": load_weights(weights)[2],
        "input_hw": [64, 32],
        "outputs": ["embedding", "parts"],
    }
    again = call(*words)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    assert call(*words, "--overwrite").exit_code == 0


def test_it_is_written_here_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tiny_weights(tmp_path / "there" / "w.safetensors")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    result = call("--weights", weights, "--to", "torchscript")
    assert result.exit_code == 0, result.stderr
    assert [file.name for file in Path().iterdir()] == ["w.torchscript.pt"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "tflite"), "--to tflite: choose openvino, onnx, torchscript"),
        (("--to", "onnx", "--weights", "none.safetensors"), "none.safetensors: no such weight"),
        (("--to", "onnx", "--weights", __file__), "not a network of this project"),
        (("--to", "onnx", "--config", "a.yaml"), "--config a.yaml: --weights is missing"),
        (("--to", "onnx", "train.seed=1"), "train.seed: KEY=VALUE changes --config"),
    ],
)
def test_the_command_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""
    assert not list(tmp_path.iterdir())
