"""Largest values in a grid of cells, in a form that ONNX can hold, too.

Source: this project; plain adaptive maximum pooling.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def largest_in_cells(maps: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """(B, C, h, w) -> (B, C, N, M): adaptive max pooling; cells overlap where N does not divide h.

    ONNX has no such operator, except where N and M divide h and w, so that there it becomes slices
    and maxima of the same values.
    """
    if not torch.onnx.is_in_onnx_export():
        return F.adaptive_max_pool2d(maps, size_hw)
    return in_slices(in_slices(maps, 2, size_hw[0]), 3, size_hw[1])


def in_slices(maps: Tensor, axis: int, cells: int) -> Tensor:
    """Largest values along one axis of length n in cells floor(k n / N) .. ceil((k + 1) n / N)."""
    length = int(maps.shape[axis])
    found = [
        maps.narrow(axis, k * length // cells, -(-(k + 1) * length // cells) - k * length // cells)
        for k in range(cells)
    ]
    return torch.cat([part.amax(axis, keepdim=True) for part in found], axis)
