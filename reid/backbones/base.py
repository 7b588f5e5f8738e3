"""What every trunk offers."""

from __future__ import annotations

from torch import nn


class Backbone(nn.Module):
    """(B, 3, H, W) pictures -> (B, out_channels, h, w) maps."""

    out_channels: int
