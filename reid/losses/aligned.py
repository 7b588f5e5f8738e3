"""The local loss of AlignedReID: TriHard over the aligned part distance.

Source: Zhang et al., arXiv:1711.08184, equations 1 to 3; the pairs are mined by the global
distance (section 3.3).
"""

from __future__ import annotations

import torch
from torch import Tensor

from reid.losses.trihard import triplet_margin


def part_distances(parts_a: Tensor, parts_b: Tensor) -> Tensor:
    """(B, P, d), (B, P, d) -> (B, P, P): (e^x - 1) / (e^x + 1) = tanh(x / 2), x = ||f_i - g_j||."""
    square = (parts_a[:, :, None] - parts_b[:, None]).pow(2).sum(3)
    return torch.tanh(square.clamp(min=1e-12).sqrt() / 2)


def shortest_path(costs: Tensor) -> Tensor:
    """(B, P, P) -> (B,): S_ij = min(S_i-1,j, S_i,j-1) + d_ij, the value at (P, P)."""
    size = costs.shape[1]
    previous: list[Tensor] = []
    for i in range(size):
        row: list[Tensor] = []
        for j in range(size):
            best = costs[:, i, j]
            if i and j:
                best = best + torch.minimum(previous[j], row[j - 1])
            elif i:
                best = best + previous[j]
            elif j:
                best = best + row[j - 1]
            row.append(best)
        previous = row
    return previous[-1]


def aligned_trihard_loss(
    parts: Tensor, positive: Tensor, negative: Tensor, margin: float = 0.3
) -> Tensor:
    """Triplet loss over the shortest path cost of mined pairs.

    Args:
        parts: (B, P, d). positive, negative: (B,) columns mined by the global distance.
    """
    near = shortest_path(part_distances(parts, parts[positive]))
    far = shortest_path(part_distances(parts, parts[negative]))
    return triplet_margin(near, far, margin)
