"""Weight files: fp16 safetensors that carry their own configuration, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from reid.build import build_model
from reid.config import ModelConfig
from reid.errors import ReidError
from reid.network import ReidNetwork
from reid.training_state import without_classifiers

PREPROCESSING = "rgb/255,imagenet-mean-std,bilinear,pad-to-aspect-1.5,mirror-mean"
ATTRIBUTES = "attributes."
"""What tensors of the attribute read-out (`reid.wearing`) start with. They turn vectors into words
and change none, so the network does without them and the fingerprint is that of the vectors."""
DEFAULT_WEIGHTS = Path(__file__).parent / "weights" / "aligned_slim.safetensors"


def save_weights(
    model: ReidNetwork, config: ModelConfig, input_hw: tuple[int, int], path: Path
) -> None:
    """Write the network without its classifiers as fp16; replaces `path` in one step.

    Tensors of the head are named without the word `head` in front.
    """
    tensors = {
        name.removeprefix("head."): (
            value.half() if value.dtype.is_floating_point else value
        ).contiguous()
        for name, value in without_classifiers(model.state_dict()).items()
    }
    metadata = {"model": config.model_dump_json(), "input_hw": json.dumps(input_hw)}
    write_tensors(tensors, metadata, path)


def write_tensors(tensors: dict[str, torch.Tensor], metadata: dict[str, str], path: Path) -> None:
    """Write a safetensors file; replaces `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata)
    temporary.chmod(0o644)  # safetensors makes it the owner's alone
    os.replace(temporary, path)


def load_weights(path: Path) -> tuple[ReidNetwork, tuple[int, int], str]:
    """Read a weight file: the network in evaluation mode, its (height, width), its fingerprint.

    The fingerprint hashes names, shapes and values of all tensors, the input size, the number
    of parts and the preprocessing; it does not depend on the runtime, nor on the attributes that
    the file may have besides.

    Raises:
        ReidError: missing file, not safetensors, or not a file of this project.
    """
    if not path.is_file():
        raise ReidError(f"{path}: no such weight file")
    digest = hashlib.sha256(PREPROCESSING.encode())
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            names = [name for name in sorted(file.keys()) if not name.startswith(ATTRIBUTES)]
            state = {name: file.get_tensor(name) for name in names}
        config = ModelConfig.model_validate_json(metadata["model"])
        height, width = (int(side) for side in json.loads(metadata["input_hw"]))
    except (SafetensorError, OSError) as error:
        raise ReidError(f"{path}: not a safetensors file: {error}") from error
    except (KeyError, TypeError, ValidationError, ValueError) as error:
        raise ReidError(f"{path}: not a Crosswalk ReID weight file ({error})") from error
    model = build_model(config)
    part_count = model.head.part_shape[0] if model.head.part_shape else 0
    digest.update(f"{height}x{width}/{part_count}".encode())
    for name, value in state.items():
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    try:
        model.load_state_dict({_full_name(k): _widen(v) for k, v in state.items()})
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ReidError(f"{path}: the tensors are of another architecture: {reason}") from error
    return model.eval(), (height, width), digest.hexdigest()[:16]


def read_model_config(path: Path) -> ModelConfig:
    """The configuration inside a weight file that `load_weights` accepts."""
    with safe_open(path, "pt") as file:
        return ModelConfig.model_validate_json((file.metadata() or {})["model"])


def _full_name(name: str) -> str:
    return name if name.startswith("backbone.") else f"head.{name}"


def _widen(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.dtype.is_floating_point else value
