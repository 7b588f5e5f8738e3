"""Location module of MGRe: where the body regions are, told from a feature map.

Source: Yang et al., Neurocomputing 432 (2021), section 3.1, equations 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reid.heads.max_pooling import largest_in_cells
from reid.heads.mgre_regions import Region

_GRID_HW = (8, 4)


class LocationModule(nn.Module):
    """Convolution, ReLU, batch normalisation, max pooling and fully connected layers.

    Equation 1: (atanh dC_x, atanh dC_y, log l_1, log l_2) = L(map). Lengths are fractions of the
    picture here, so that equation 2 reads x = C_x + dC_x -+ l_1 / 2 and needs no W and H.

    Open in the paper: the layers' sizes. One 3x3 convolution to `channels`, max pooling to 8 x 4
    cells whatever the map's size, two fully connected layers. The last one starts at zero with the
    log of the regions' usual size as bias: an untrained module answers with Table 1.

    Args:
        in_channels: of the map. regions: what to locate. channels: of the convolution.
    """

    centres: Tensor

    def __init__(self, in_channels: int, regions: Sequence[Region], channels: int = 64) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(channels)
        )
        hidden = 2 * channels
        last = nn.Linear(hidden, 4 * len(regions))
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            sizes = torch.tensor([region.size for region in regions]).log()
            last.bias.copy_(torch.cat([torch.zeros_like(sizes), sizes], 1).flatten())
        cells = _GRID_HW[0] * _GRID_HW[1]
        self.predict = nn.Sequential(nn.Linear(channels * cells, hidden), nn.ReLU(), last)
        centres = torch.tensor([region.centre for region in regions])
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, in_channels, h, w) -> boxes (B, R, 4), x_min, y_min, x_max, y_max in 0..1.

        They may reach beyond the picture; at least float32.
        """
        cells = largest_in_cells(self.convolve(maps), _GRID_HW).flatten(1)
        predicted = self.predict(cells).unflatten(1, (-1, 4))
        if predicted.dtype.itemsize < 4:
            predicted = predicted.float()
        return boxes_of(predicted, self.centres)


def boxes_of(predicted: Tensor, centres: Tensor) -> Tensor:
    """Equation 2.

    Args:
        predicted: (B, R, 4) atanh dC_x, atanh dC_y, log l_1, log l_2. centres: (R, 2) C_x, C_y.

    Returns:
        (B, R, 4) x_min, y_min, x_max, y_max in fractions of the picture.
    """
    centre = centres + predicted[..., :2].tanh()
    half = predicted[..., 2:].exp() / 2
    return torch.cat([centre - half, centre + half], 2)
