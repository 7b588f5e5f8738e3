"""Start a trunk from an ImageNet checkpoint on disk.

Source: this project.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.backbones.osnet import OSNet
from reid.backbones.torchreid_names import is_torchreid, our_names
from reid.errors import ReidError

_WRAPPERS = ("state_dict", "model")
_PREFIXES = ("module.", "backbone.")
_CLASSIFIERS = (
    *("fc.", "classifier.", "head."),
    *("incre_modules.", "downsamp_modules.", "final_layer."),  # HRNet's
)
_COUNTER = ".num_batches_tracked"
"""Files from before PyTorch 0.4.1 have no such tensors, and nothing depends on them."""


def load_pretrained(backbone: Backbone, path: Path) -> None:
    """Overwrite the weights of `backbone` with those of an ImageNet classifier, less its head.

    Known are torchvision's ResNets, IBN-Net's ResNets-IBN-a, the public HRNets and torchreid's
    OSNets (their names are translated).

    Args:
        path: `.pth` or `.pt` (plain tensors only, nothing in the file is executed), or
            `.safetensors`; prefixes `module.` and `backbone.` are removed.

    Raises:
        ReidError: an unreadable file, or one of another architecture; `backbone` is unchanged.
    """
    state = read_state(path)
    if isinstance(backbone, OSNet) and is_torchreid(state):
        state = our_names(state, path)
    fit_state(backbone, {k: v for k, v in state.items() if not k.startswith(_CLASSIFIERS)}, path)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, without `module.` and `backbone.` before the names.

    Raises:
        ReidError: missing file, unknown kind of file, unreadable, or no dictionary of tensors.
    """
    if path.suffix not in (".pth", ".pt", ".safetensors"):
        raise ReidError(f"{path}: a checkpoint ends in .pth, .pt or .safetensors")
    if not path.is_file():
        raise ReidError(f"{path}: no such checkpoint")
    content: object
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        OSError,
    ) as error:
        raise ReidError(f"{path}: not a readable checkpoint of plain tensors") from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise ReidError(f"{path}: no tensors by name in it")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ReidError(f"{path}: {name}: not a tensor")
    return {_plain(name): value for name, value in content.items()}


def fit_state(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load `state` if every name and shape fits; counters of batches may be missing.

    Raises:
        ReidError: another architecture; names the first key that does not fit. `module` is
            unchanged then.
    """
    own = module.state_dict()
    for name, value in state.items():
        if name not in own:
            raise ReidError(f"{path}: of another architecture: {name} is not in this network")
        if value.shape != own[name].shape:
            shapes = f"{tuple(value.shape)}, here {tuple(own[name].shape)}"
            raise ReidError(f"{path}: of another architecture: {name} is {shapes}")
    for name in own:
        if name not in state and not name.endswith(_COUNTER):
            raise ReidError(f"{path}: of another architecture: {name} is missing in the file")
    module.load_state_dict(dict(state), strict=False)


def _plain(name: str) -> str:
    """`module.backbone.conv1.weight` -> `conv1.weight`."""
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name
