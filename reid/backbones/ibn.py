"""IBN-a: half instance, half batch normalisation (Pan et al., ECCV 2018, figure 3a).

Instance normalisation removes a picture's own contrast and colour cast, batch normalisation
keeps what tells identities apart; sharing the channels of the early layers keeps both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class IBN(nn.Module):
    """First half of the channels instance-normalised, the rest batch-normalised.

    Parameters are named as in the public IBN-Net weights: `IN.*` and `BN.*`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = channels // 2, channels - channels // 2
        self.channels = (first, second)
        self.IN = nn.InstanceNorm2d(first, affine=True)
        self.BN = nn.BatchNorm2d(second)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        first, second = x.split(self.channels, 1)
        return torch.cat([self.IN(first), self.BN(second)], 1)
