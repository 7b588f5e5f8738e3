"""Writes a network for other runtimes: OpenVINO, ONNX, TorchScript; what is written is checked.

Input `images` (B, 3, H, W): RGB / 255, normalised with ImageNet's mean and deviation; heads that
need joints have a second one, `joints` (B, 14, 2), fractions of the picture, NaN where unseen.
Outputs: `embedding` (B, D), and where the head has them `parts` (B, P, d) and `visibility` (B, P).
B is free. The mean with the mirror image (`reid.inference`) is up to the caller.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reid.data.joints import JOINTS
from reid.errors import ReidError
from reid.network import ReidNetwork
from reid.openvino_core import openvino_core
from reid.weights_file import PREPROCESSING

Format = Literal["openvino", "onnx", "torchscript"]
Run = Callable[[dict[str, Tensor]], dict[str, NDArray[np.float32]]]
LEAST_COSINE = 0.999
_VISIBILITY_TOLERANCE = 0.01
_CHECKED_BATCHES = (1, 8)
_EXAMPLE_BATCH = 2
_OPSET = 17
_ABOUT = "crosswalk.json"


@dataclass(frozen=True)
class Exported:
    """What was written: the names of its outputs, and its smallest cosine to torch's vectors."""

    outputs: tuple[str, ...]
    cosine: float


def check_format(name: str) -> Format:
    """A word of the command line as a format.

    Raises:
        ReidError: another word.
    """
    for known in get_args(Format):
        if name == known:
            return known
    raise ReidError(f"--to {name}: choose {', '.join(get_args(Format))}")


def export(
    network: ReidNetwork,
    input_hw: tuple[int, int],
    fingerprint: str,
    to: Format,
    path: Path,
    *,
    overwrite: bool = False,
) -> Exported:
    """Write `network`, in evaluation mode, and compare what was written with torch.

    Args:
        path: a folder for OpenVINO (`model.xml`, `model.bin`), else a file.

    Raises:
        ReidError: the path is taken, a package is missing, the network cannot be converted, or
            the written file says something else than torch; nothing is left then.
    """
    if path.exists() and not overwrite:
        raise ReidError(f"{path}: exists already; add --overwrite to replace it")
    if to == "onnx" and importlib.util.find_spec("onnx") is None:
        raise ReidError("--to onnx: the package onnx is missing: pip install onnx")
    write, read = _FORMATS[to]
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    about = {
        "fingerprint": fingerprint,
        "input_hw": json.dumps(input_hw),
        "preprocessing": PREPROCESSING,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        inputs = example(network, input_hw, _EXAMPLE_BATCH)
        _convert(write, _Named(network).eval(), inputs, about, temporary)
        worst = compare(network, read(temporary), input_hw)
        if not worst > LEAST_COSINE:
            raise ReidError(f"{path}: the exported network differs from torch (cosine {worst:.5f})")
        _remove(path)
        temporary.rename(path)
    finally:
        _remove(temporary)
    with torch.inference_mode():
        return Exported(tuple(_Named(network)(*inputs.values())), worst)


def example(network: ReidNetwork, input_hw: tuple[int, int], count: int) -> dict[str, Tensor]:
    """Random inputs by name; of joints, every fifth is unseen."""
    generator = torch.Generator().manual_seed(count)
    inputs = {"images": torch.randn(count, 3, *input_hw, generator=generator)}
    if network.head.needs_joints:
        joints = torch.rand(count, len(JOINTS), 2, generator=generator)
        joints.view(-1, 2)[3::5] = torch.nan
        inputs["joints"] = joints
    return inputs


@torch.inference_mode()
def compare(network: ReidNetwork, run: Run, input_hw: tuple[int, int]) -> float:
    """Smallest cosine of embedding and parts to torch's for one picture and for eight.

    0 where shapes or names differ, a value is not finite, or a visibility is off by over 0.01.
    """
    cosines = []
    for count in _CHECKED_BATCHES:
        inputs = example(network, input_hw, count)
        wanted, given = _Named(network)(*inputs.values()), run(inputs)
        if given.keys() != wanted.keys():
            return 0.0
        cosines += [_likeness(name, wanted[name].numpy(), given[name]) for name in wanted]
    return min(cosines)


def _likeness(name: str, wanted: NDArray[np.float32], given: NDArray[np.float32]) -> float:
    if given.shape != wanted.shape or not np.isfinite(given).all():
        return 0.0
    if name == "visibility":
        return float(np.abs(wanted - given).max() <= _VISIBILITY_TOLERANCE)
    return float((wanted * given).sum(-1).min())


class _Named(nn.Module):
    """The network with outputs by name."""

    def __init__(self, network: ReidNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, joints: Tensor | None = None) -> dict[str, Tensor]:
        found = self.network.outputs(images, joints=joints)
        named = {"embedding": found.embedding, "parts": found.parts, "visibility": found.visibility}
        return {name: value for name, value in named.items() if value is not None}


Write = Callable[[_Named, dict[str, Tensor], Mapping[str, str], Path], None]


def _convert(
    write: Write, network: _Named, inputs: dict[str, Tensor], about: Mapping[str, str], path: Path
) -> None:
    """Write; what the converters say against a network becomes one line."""
    try:
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
            warnings.simplefilter("ignore")  # the tracer's, about branches that never change
            write(network, inputs, about, path)
    except RuntimeError as error:  # of the tracer, of OpenVINO and of torch.onnx
        reason = str(error).strip().splitlines()[0][:200]
        raise ReidError(f"this network cannot be converted: {reason}") from error


def _to_openvino(
    network: _Named, inputs: dict[str, Tensor], about: Mapping[str, str], path: Path
) -> None:
    import openvino as ov

    model = ov.convert_model(network, example_input=inputs)
    shapes: Any = {name: [-1, *value.shape[1:]] for name, value in inputs.items()}
    model.reshape(shapes)
    for key, value in about.items():
        model.set_rt_info(value, ["crosswalk", key])
    path.mkdir()
    ov.save_model(model, path / "model.xml", compress_to_fp16=False)  # folded weights lose by it


def _from_openvino(path: Path) -> Run:
    return _openvino_run(path / "model.xml")


def _openvino_run(path: Path) -> Run:
    compiled = openvino_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
        found = compiled({name: value.numpy() for name, value in inputs.items()})
        return {port.get_any_name(): np.array(value) for port, value in found.items()}

    return run


def _to_onnx(
    network: _Named, inputs: dict[str, Tensor], about: Mapping[str, str], path: Path
) -> None:
    """By the tracing exporter, which needs the package onnx alone and takes all heads."""
    import onnx

    outputs = list(network(*inputs.values()))
    torch.onnx.export(
        network,
        tuple(inputs.values()),
        str(path),
        dynamo=False,
        opset_version=_OPSET,
        input_names=list(inputs),
        output_names=outputs,
        dynamic_axes={name: {0: "batch"} for name in [*inputs, *outputs]},
    )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _to_torchscript(
    network: _Named, inputs: dict[str, Tensor], about: Mapping[str, str], path: Path
) -> None:
    """Frozen: TorchScript cannot hold modules that are called `global`. Load it to its device."""
    traced = torch.jit.trace(network, tuple(inputs.values()), strict=False, check_trace=False)
    frozen = torch.jit.freeze(traced, optimize_numerics=False)
    torch.jit.save(frozen, str(path), _extra_files={_ABOUT: json.dumps(dict(about))})


def _from_torchscript(path: Path) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.export is to replace TorchScript
        loaded = torch.jit.load(str(path))

    def run(inputs: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
        return {name: value.numpy() for name, value in loaded(*inputs.values()).items()}

    return run


_FORMATS: dict[str, tuple[Write, Callable[[Path], Run]]] = {
    "openvino": (_to_openvino, _from_openvino),
    "onnx": (_to_onnx, _openvino_run),
    "torchscript": (_to_torchscript, _from_torchscript),
}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
