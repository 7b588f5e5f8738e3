"""One of our networks as others' are fed: BGR pictures in 0..255 in, the embedding out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reid.data.augment import MEAN, STD
from reid.network import ReidNetwork


class BgrNetwork(nn.Module):
    """(B, 3, H, W) BGR in 0..255 -> (B, D) embedding of length 1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: ReidNetwork) -> None:
        super().__init__()
        self.network = network
        for name, values in (("mean", MEAN), ("deviation", STD)):
            pixel = 255 * torch.tensor(values)[:, None, None]
            self.register_buffer(name, pixel, persistent=False)

    def forward(self, images_bgr: Tensor) -> Tensor:
        """See above."""
        return self.network((images_bgr.flip(1) - self.mean) / self.deviation)[0]
