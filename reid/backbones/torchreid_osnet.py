"""torchreid's OSNet as it embeds: our trunk and its head, with the weights of its files.

torchreid's feature is the output of the head: mean over the map, linear layer to 512, batch
normalisation, ReLU (Zhou et al., ICCV 2019, table 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from reid.backbones.osnet import OSNet
from reid.backbones.pretrained import fit_state, read_state
from reid.backbones.torchreid_names import is_torchreid, our_names
from reid.data.augment import MEAN, STD
from reid.errors import ReidError

INPUT_HW = (256, 128)
"""Height and width that torchreid's models are trained at."""

_STEM = 64
_CLASSIFIER = "classifier."
_HEAD = {"fc.0.": "head.0.", "fc.1.": "head.1."}


class TorchreidOSNet(nn.Module):
    """BGR pictures in 0..255 -> (B, features) as torchreid computes them.

    The normalisation (RGB, mean and deviation of ImageNet) is a part of the network, so that it
    is fed like any other peer.

    Args:
        width: channel multiplier of the trunk. features: of the head, 512 in torchreid's files.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: float, features: int = 512) -> None:
        super().__init__()
        self.trunk = OSNet(width)
        self.head = nn.Sequential(
            nn.Linear(self.trunk.out_channels, features), nn.BatchNorm1d(features), nn.ReLU()
        )
        for name, values in (("mean", MEAN), ("deviation", STD)):
            pixel = 255 * torch.tensor(values)[:, None, None]
            self.register_buffer(name, pixel, persistent=False)

    def forward(self, images_bgr: Tensor) -> Tensor:
        """(B, 3, H, W) BGR in 0..255 -> (B, features), not normalised."""
        images = (images_bgr.flip(1) - self.mean) / self.deviation
        return self.head(self.trunk(images).mean((2, 3)))


def load_torchreid_osnet(path: Path) -> TorchreidOSNet:
    """The network of a torchreid checkpoint in evaluation mode; its width is read off the file.

    Raises:
        ReidError: an unreadable file, or one that is not of a plain OSNet.
    """
    state = read_state(path)
    if not is_torchreid(state) or "fc.0.weight" not in state:
        raise ReidError(f"{path}: not a checkpoint of torchreid's OSNet")
    network = TorchreidOSNet(len(state["conv1.conv.weight"]) / _STEM, len(state["fc.0.weight"]))
    fit_state(network, _with_head(our_names(state, path)), path)
    return network.eval()


def _with_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of the trunk's tensors get `trunk.` before them, those of the head ours."""
    renamed = {}
    for name, value in state.items():
        if name.startswith(_CLASSIFIER):
            continue
        head = _HEAD.get(name[:5])
        renamed[f"trunk.{name}" if head is None else head + name[5:]] = value
    return renamed
