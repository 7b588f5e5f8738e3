"""Differentiable sampling of a box out of a feature map (MGRe's sampling module).

Source: Yang et al., Neurocomputing 432 (2021), equations 4 and 5; Jaderberg et al., "Spatial
Transformer Networks", NeurIPS 2015. The boxes stand upright, so the bilinear kernel is a product
of one of rows and one of columns and sampling is two small matrix products. These export to any
runtime, have no scattered writes in the backward pass (the same result on every run) and can be
differentiated twice, which `grid_sample` cannot.

Pixel centres. The paper counts x^t from 1 to M and takes (x^t - M/2) l/M: its points run from just
inside the left edge to the right edge itself, so a mirrored picture does not give the mirrored
sample. Here sample j of M (from 0) lies at the centre of the j-th of M equal cells of the box, and
pixel i of W at (i + 1/2) / W of the picture. Both agree where a cell is as large as a pixel; else
the samples lie half the difference of cell and pixel apart.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sample_region(maps: Tensor, boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Bilinear samples at the centres of N x M cells of a box, one box per picture.

    As in equation 5, what lies outside the map counts as 0. Samples are single points: a cell of
    more than two pixels is not averaged.

    Args:
        maps: (B, C, H, W).
        boxes: (B, 4) x_min, y_min, x_max, y_max in 0..1 of the map's width and height; may reach
            beyond it.
        size_hw: N, M.

    Returns:
        (B, C, N, M), differentiable in maps and boxes.

    Raises:
        ValueError: shapes that do not fit.
    """
    if maps.dim() != 4 or boxes.shape != (maps.shape[0], 4):
        raise ValueError(
            f"sample_region: maps {tuple(maps.shape)} need boxes ({maps.shape[0]}, 4), "
            f"got {tuple(boxes.shape)}"
        )
    rows = bilinear_weights(boxes[:, 1], boxes[:, 3], maps.shape[2], size_hw[0]).to(maps.dtype)
    columns = bilinear_weights(boxes[:, 0], boxes[:, 2], maps.shape[3], size_hw[1]).to(maps.dtype)
    return torch.einsum("bcnw,bmw->bcnm", torch.einsum("bnh,bchw->bcnw", rows, maps), columns)


def bilinear_weights(low: Tensor, high: Tensor, pixels: int, samples: int) -> Tensor:
    """max(0, 1 - |source - pixel|) of equation 5 along one axis.

    Args:
        low, high: (B,) ends of the box in 0..1 of the axis.
        pixels: length of the map's axis. samples: of the sampled map's.

    Returns:
        (B, samples, pixels), at least float32.
    """
    if low.dtype.itemsize < 4:
        low, high = low.float(), high.float()
    steps = (torch.arange(samples, dtype=low.dtype, device=low.device) + 0.5) / samples
    centres = torch.arange(pixels, dtype=low.dtype, device=low.device) + 0.5
    points = (low[:, None] + (high - low)[:, None] * steps) * pixels
    return torch.relu(1 - (points[:, :, None] - centres).abs())
