"""Adaptive max pooling by slices: the same values as by hand and by torch's operator."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from reid.heads.max_pooling import in_slices, largest_in_cells


def by_hand(maps: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    batch, channels, height, width = maps.shape
    out = torch.empty(batch, channels, rows, columns, dtype=maps.dtype)
    for n in range(rows):
        for m in range(columns):
            ys = range(n * height // rows, math.ceil((n + 1) * height / rows))
            xs = range(m * width // columns, math.ceil((m + 1) * width / columns))
            for b in range(batch):
                for c in range(channels):
                    out[b, c, n, m] = max(maps[b, c, y, x] for y in ys for x in xs)
    return out


@pytest.mark.parametrize("cells", [(8, 1), (4, 2), (3, 5), (1, 1), (12, 6), (16, 7)])
def test_all_ways_agree(cells: tuple[int, int]) -> None:
    maps = torch.randn(2, 2, 12, 6, generator=torch.Generator().manual_seed(0)).double()
    wanted = by_hand(maps, *cells)
    torch.testing.assert_close(in_slices(in_slices(maps, 2, cells[0]), 3, cells[1]), wanted)
    torch.testing.assert_close(largest_in_cells(maps, cells), wanted)
    torch.testing.assert_close(F.adaptive_max_pool2d(maps, cells), wanted)
