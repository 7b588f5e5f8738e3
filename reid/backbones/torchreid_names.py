"""Names of the tensors in torchreid's OSNet checkpoints, and ours.

The networks are the same. torchreid (Zhou and Xiang, arXiv:1910.10093) calls the stages conv2 to
conv4; inside a block conv1 reduces the channels, conv2a to conv2d are the streams, and conv3
expands the channels again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from reid.errors import ReidError

HEAD = ("fc.", "classifier.")
"""Prefixes of what comes after the trunk."""

_CONV_BN = {"conv": "0", "bn": "1"}
_LIGHT = {"conv1": "0", "conv2": "1", "bn": "2"}
_GATE = {"fc1": "fc1", "fc2": "fc2"}
_PLACES: tuple[tuple[str, str, dict[str, str]], ...] = (
    (r"conv1", r"stem.0", _CONV_BN),
    (r"conv([234])\.([01])\.conv1", r"stage\1.\2.reduce", _CONV_BN),
    (r"conv([234])\.([01])\.conv2a", r"stage\1.\2.streams.0.0", _LIGHT),
    (r"conv([234])\.([01])\.conv2b\.([01])", r"stage\1.\2.streams.1.\3", _LIGHT),
    (r"conv([234])\.([01])\.conv2c\.([012])", r"stage\1.\2.streams.2.\3", _LIGHT),
    (r"conv([234])\.([01])\.conv2d\.([0123])", r"stage\1.\2.streams.3.\3", _LIGHT),
    (r"conv([234])\.([01])\.gate", r"stage\1.\2.gate", _GATE),
    (r"conv([234])\.([01])\.conv3", r"stage\1.\2.expand", _CONV_BN),
    (r"conv([234])\.([01])\.downsample", r"stage\1.\2.shortcut", _CONV_BN),
    (r"conv([23])\.2\.0", r"stage\1.2", _CONV_BN),
    (r"conv5", r"final", _CONV_BN),
)
"""Where a layer is, where ours is, and what the layer's own name becomes."""


def is_torchreid(state: Mapping[str, Tensor]) -> bool:
    """Whether the names are those of torchreid's OSNet."""
    return "conv1.conv.weight" in state


def our_names(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors with the trunk's under our names; those of HEAD keep theirs.

    Raises:
        ReidError: a name that is not of a plain OSNet (such as those of its IN variants).
    """
    return {
        name if name.startswith(HEAD) else _our_name(name, path): value
        for name, value in state.items()
    }


def _our_name(name: str, path: Path) -> str:
    """`conv2.0.conv2b.1.bn.weight` -> `stage2.0.streams.1.1.2.weight`."""
    place, _, rest = name.rpartition(".")
    place, _, layer = place.rpartition(".")
    for pattern, ours, layers in _PLACES:
        found = re.fullmatch(pattern, place)
        if found and layer in layers:
            return f"{found.expand(ours)}.{layers[layer]}.{rest}"
    raise ReidError(f"{path}: of another architecture: {name} is not of torchreid's OSNet")
