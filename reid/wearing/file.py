"""The attribute read-out inside a weight file, beside the network that it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from reid.errors import ReidError
from reid.wearing.questions import Question
from reid.wearing.readout import Readout
from reid.weights_file import ATTRIBUTES, load_weights, write_tensors

_KEY = "attributes"
_NAMES = ("weight", "bias", "thresholds", "let_pass")


def load_readout(path: Path, fingerprint: str) -> Readout | None:
    """The read-out in a weight file that `load_weights` accepts, None if it has none.

    Args:
        fingerprint: of the file, as `load_weights` says it.

    Raises:
        ReidError: it is damaged.
    """
    with safe_open(path, "pt") as file:
        about = (file.metadata() or {}).get(_KEY)
        if about is None:
            return None
        present = set(file.keys())
        missing = [name for name in _NAMES if ATTRIBUTES + name not in present]
        if missing:
            raise ReidError(f"{path}: {ATTRIBUTES}{missing[0]}: missing")
        weight, *rows = (
            file.get_tensor(ATTRIBUTES + name).to(torch.float32).numpy() for name in _NAMES
        )
    questions = _questions(path, about)
    count = sum(len(question.options) for question in questions)
    if weight.ndim != 2 or {len(weight), *(row.size for row in rows)} != {count}:
        raise ReidError(f"{path}: {_KEY}: {count} options, but {weight.shape} numbers")
    bias, thresholds, let_pass = rows
    return Readout(questions, weight, bias, thresholds, let_pass, fingerprint)


def _questions(path: Path, text: str) -> tuple[Question, ...]:
    try:
        found = json.loads(text)["questions"]
        return tuple(Question(str(name), tuple(map(str, options))) for name, options in found)
    except (ValueError, TypeError, KeyError) as error:
        raise ReidError(f"{path}: {_KEY}: not a list of questions ({error})") from error


def write_readout(weights: Path, readout: Readout, to: Path) -> None:
    """Copy a weight file bit by bit and put `readout` in the place of what it had; replaces `to`.

    Raises:
        ReidError: not a weight file of ours, or the read-out is of other vectors.
    """
    fingerprint = load_weights(weights)[2]
    if readout.fingerprint != fingerprint:
        raise ReidError(f"{weights}: the attributes are of model {readout.fingerprint}")
    tensors = _network_tensors(weights)
    with safe_open(weights, "pt") as file:
        metadata = dict(file.metadata() or {})
    parts = (
        readout.weight.astype(np.float16),
        readout.bias,
        readout.thresholds,
        readout.let_pass,
    )
    for name, values in zip(_NAMES, parts, strict=True):
        tensors[ATTRIBUTES + name] = torch.from_numpy(np.ascontiguousarray(values))
    questions = [[question.name, list(question.options)] for question in readout.questions]
    write_tensors(tensors, metadata | {_KEY: json.dumps({"questions": questions})}, to)


def _network_tensors(path: Path) -> dict[str, torch.Tensor]:
    with safe_open(path, "pt") as file:
        names = [name for name in sorted(file.keys()) if not name.startswith(ATTRIBUTES)]
        return {name: file.get_tensor(name) for name in names}
