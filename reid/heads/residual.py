"""The bottleneck block that heads put behind a backbone's maps (He et al., CVPR 2016, figure 5)."""

from __future__ import annotations

from reid.backbones.residual import Bottleneck, initialise_convolutions


class ResidualBottleneck(Bottleneck):
    """y = relu(x + f(x)); f is 1x1 to `mid_channels`, 3x3 there, 1x1 back; the size stays.

    Args:
        channels: of x and y, any number. mid_channels: inside; default a quarter of them.
    """

    def __init__(self, channels: int, mid_channels: int | None = None) -> None:
        mid = mid_channels or max(channels // 4, 1)
        super().__init__(channels, mid, out_channels=channels)
        initialise_convolutions(self)
