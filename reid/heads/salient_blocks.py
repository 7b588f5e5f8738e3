"""The blocks of a map that matter most to its class (PMM's block ranking, figure 3).

Source: Zhang et al., "Progressive Multi-stage Feature Mix for Person Re-identification",
ICASSP 2021, section 2.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reid.errors import ReidError


def block_means(pictures: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, h, w) -> (B, rows, columns): mean of each block.

    Row r of the picture belongs to block floor(r rows / h), columns alike: blocks differ by a
    cell where the grid does not divide the map.

    Args:
        grid: rows and columns of blocks; more make them smaller.

    Raises:
        ReidError: more blocks than cells.
    """
    hw = (pictures.shape[1], pictures.shape[2])
    if grid[0] > hw[0] or grid[1] > hw[1]:
        raise ReidError(
            f"model.head.block_grid: {grid[0]} x {grid[1]} blocks do not fit into a map of "
            f"{hw[0]} x {hw[1]}; name fewer, or train with larger pictures"
        )
    rows, columns = (
        _membership(cells, blocks, pictures) for cells, blocks in zip(hw, grid, strict=True)
    )
    bands = (rows[:, :, None] * pictures[:, None]).sum(2)  # no product of matrices: autocast's
    sums = (columns * bands[:, :, None]).sum(3)  # would round it and change the ranks
    return sums / (rows.sum(1)[:, None] * columns.sum(1)[None])


def outside_salient_blocks(pictures: Tensor, grid: tuple[int, int], count: int) -> Tensor:
    """(B, h, w) -> (B, h, w) bool: False in the `count` blocks of each picture with largest mean.

    Equal blocks rank in reading order, so a picture without any saliency loses its first blocks.
    The poster leaves the rank's value open: it is the mean of the block, which is the order of
    the sum where all blocks are equally large.

    Args:
        pictures: saliency, Grad-CAM's. grid: rows and columns of blocks. count: below their
            number; larger hides more.

    Raises:
        ReidError: more blocks than cells, or all of them chosen.
    """
    if count >= grid[0] * grid[1]:
        raise ReidError(
            f"model.head.block_count: {count} of {grid[0]} x {grid[1]} blocks leave nothing"
        )
    means = block_means(pictures, grid).flatten(1)
    order = torch.sort(means, dim=1, descending=True, stable=True).indices
    kept = torch.ones_like(means, dtype=torch.bool).scatter(1, order[:, :count], False)
    row = torch.arange(pictures.shape[1], device=pictures.device) * grid[0] // pictures.shape[1]
    column = torch.arange(pictures.shape[2], device=pictures.device) * grid[1] // pictures.shape[2]
    return kept.view(-1, *grid)[:, row][:, :, column]


def _membership(cells: int, blocks: int, like: Tensor) -> Tensor:
    """(blocks, cells) of 0 and 1: which block each cell is in."""
    block = torch.arange(cells, device=like.device) * blocks // cells
    return (block == torch.arange(blocks, device=like.device)[:, None]).to(like.dtype)
