"""Body parts without labels: channels grouped by where they respond most (PL-Net).

Source: Yao et al., "Deep Representation Learning with Part Loss for Person Re-identification",
arXiv:1707.00798, as in the Megvii slides: (h_z, w_z) = argmax X_z(h, w) for each channel z, then
"clustering feature maps with similar maximum responses".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_ROUNDS = 10


def peaks(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where each channel is strongest.

    (B, C, h, w) -> value, y and x, each (B, C); y and x are the cell's centre in 0..1.
    """
    height, width = maps.shape[2:]
    value, index = maps.flatten(2).max(2)
    row = torch.div(index, width, rounding_mode="floor")
    column = index - row * width
    return value, (row.to(maps.dtype) + 0.5) / height, (column.to(maps.dtype) + 0.5) / width


def cluster_rows(rows: Tensor, count: int, rounds: int = _ROUNDS) -> Tensor:
    """k-means of numbers: (C,) -> (C,) int64 clusters, 0 has the smallest numbers.

    Lloyd's rounds from the means of `count` equal runs of the sorted numbers: without chance, and
    the clusters stay in order. A number between two centres belongs to the smaller one; a cluster
    that loses all its numbers keeps its centre.
    """
    runs = rows.sort().values.tensor_split(count)
    centres = torch.stack([run.mean() for run in runs])
    for _ in range(rounds):
        members = _nearest(rows, centres, count)
        sizes = members.sum(0)
        means = (rows[:, None] * members).sum(0) / sizes.clamp(min=1)
        centres = torch.where(sizes > 0, means, centres)
    return (rows[:, None] - centres).abs().argmin(1)


def _nearest(rows: Tensor, centres: Tensor, count: int) -> Tensor:
    """(C, count) with a 1 in the column of each number's nearest centre."""
    nearest = (rows[:, None] - centres).abs().argmin(1)
    return (nearest[:, None] == torch.arange(count, device=rows.device)).to(rows.dtype)


class ChannelClusters(nn.Module):
    """Which part each channel belongs to, found while training and fixed when searching.

    In training mode each batch moves a channel's `mean_row` towards the mean row of its peaks in
    the pictures where it responds at all, and the channels are clustered anew by their mean
    rows. The paper clusters the maps of each picture; a buffer makes search deterministic,
    and lets a part mean the same in every picture.

    Args:
        channels: C >= parts. parts: K. momentum: share of a new batch in the mean rows; larger
            forgets sooner.

    Attributes:
        mean_row: (C,) in 0..1. part: (C,) int64 in 0..K-1, top to bottom.
    """

    mean_row: Tensor
    part: Tensor

    def __init__(self, channels: int, parts: int, momentum: float = 0.01) -> None:
        super().__init__()
        self.parts = parts
        self.momentum = momentum
        even = (torch.arange(channels) + 0.5) / channels
        self.register_buffer("mean_row", even)
        self.register_buffer("part", cluster_rows(even, parts))

    @torch.no_grad()
    def update(self, value: Tensor, row: Tensor) -> None:
        """Learn from one batch's peaks: (B, C) values and rows."""
        seen = (value > 0).to(row.dtype)
        count = seen.sum(0)
        mean = ((seen * row).sum(0) / count.clamp(min=1)).to(self.mean_row.dtype)
        moved = self.mean_row + self.momentum * (mean - self.mean_row)
        self.mean_row.copy_(torch.where(count > 0, moved, self.mean_row))
        self.part.copy_(cluster_rows(self.mean_row, self.parts))

    def forward(self, maps: Tensor, spread: float, least_side: float) -> Tensor:
        """Part boxes (B, K, 4), x_min, y_min, x_max, y_max in 0..1; no gradient.

        A part's box has its centre at the mean peak of its channels that respond, and reaches
        `spread` standard deviations of the peaks to each side, at least `least_side` / 2 and
        at most half the picture; it is moved into the picture. A part none of whose channels
        responds gets the k-th of K horizontal stripes.
        """
        value, y, x = (found.detach() for found in peaks(maps))
        if self.training:
            self.update(value, y)
        member = self.part[:, None] == torch.arange(self.parts, device=maps.device)
        weight = (value > 0).to(maps.dtype)[:, :, None] * member.to(maps.dtype)
        count = weight.sum(1)
        low_x, high_x = _interval(x, weight, count, spread, least_side)
        low_y, high_y = _interval(y, weight, count, spread, least_side)
        found = torch.stack([low_x, low_y, high_x, high_y], 2)
        return torch.where((count > 0)[:, :, None], found, self._stripes(maps))

    def _stripes(self, maps: Tensor) -> Tensor:
        """(K, 4): equal horizontal stripes."""
        top = torch.arange(self.parts, device=maps.device, dtype=maps.dtype) / self.parts
        zero = torch.zeros_like(top)
        return torch.stack([zero, top, zero + 1, top + 1 / self.parts], 1)


def _interval(
    position: Tensor, weight: Tensor, count: Tensor, spread: float, least_side: float
) -> tuple[Tensor, Tensor]:
    """Lower and upper end, (B, K) each; position (B, C), weight (B, C, K), count (B, K)."""
    total = count.clamp(min=1)
    mean = (weight * position[:, :, None]).sum(1) / total
    square = (weight * (position[:, :, None] - mean[:, None]).pow(2)).sum(1) / total
    half = (spread * square.sqrt()).clamp(min=least_side / 2, max=0.5)
    centre = torch.minimum(torch.maximum(mean, half), 1 - half)
    return centre - half, centre + half
