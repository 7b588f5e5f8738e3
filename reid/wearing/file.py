"""The attribute read-out inside a weight file, beside the network that it belongs to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from reid.errors import ReidError
from reid.wearing.questions import Question
from reid.wearing.readout import Readout
from reid.weights_file import ATTRIBUTES, load_weights, write_tensors

_KEY = "attributes"
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
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


def borrowed_readout(path: Path, fingerprint: str, lender: Path) -> Readout | None:
    """The read-out of `path`, or else that of `lender` if `path` is `lender` fitted to a site.

    Files fitted by earlier versions have none of their own. They differ from the weights that
    they were made from in batch statistics alone, which keep each number's scale, so that the
    read-out holds for their vectors, too.

    Args:
        path: as `load_weights` accepts it. fingerprint: what that says. lender: such a file, too;
            it may be missing.

    Raises:
        ReidError: a damaged read-out.
    """
    own = load_readout(path, fingerprint)
    if own is not None or not lender.is_file() or not _same_but_statistics(path, lender):
        return own
    return load_readout(lender, fingerprint)  # they read the vectors of `path`


def carry_readout(source: Path, to: Path) -> None:
    """Put the read-out of `source`, if it has one, into `to`, which is `source` fitted to a site.

    Raises:
        ReidError: not weight files of ours.
    """
    readout = load_readout(source, load_weights(source)[2])
    if readout is not None:
        write_readout(to, replace(readout, fingerprint=load_weights(to)[2]), to)


def _same_but_statistics(a: Path, b: Path) -> bool:
    """Whether two weight files differ in running means and variances alone."""
    one, other = _network_tensors(a), _network_tensors(b)
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name])
        for name, value in one.items()
        if not name.endswith(_STATISTICS)
    )


def _network_tensors(path: Path) -> dict[str, torch.Tensor]:
    with safe_open(path, "pt") as file:
        names = [name for name in sorted(file.keys()) if not name.startswith(ATTRIBUTES)]
        return {name: file.get_tensor(name) for name in names}
