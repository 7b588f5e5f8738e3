"""Differentiable distances between all images of a batch: features in, (B, B) matrix out.

Miners choose pairs from such a matrix and losses measure the chosen pairs on one, not necessarily
the same. Half and bfloat16 features are measured in float32, also under autocast; a zero distance
has the gradient zero, never NaN. `reid.distances` holds the counterparts for search, in NumPy.

Source: the metrics themselves; where a distance is from a paper, its function says so.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reid.precision import at_least_float32

_ZERO = 1e-12
"""Squared distances up to here count as zero, because the square root's slope is infinite there."""


def squared_euclidean_distances(features: Tensor) -> Tensor:
    """(B, D) -> (B, B): ||f_i - f_j||^2, exactly 0 on the diagonal.

    The vectors are centred first: |a|^2 + |b|^2 - 2ab loses its digits far from the origin.
    """
    features = at_least_float32(features)
    with torch.autocast(features.device.type, enabled=False):
        features = features - features.detach().mean(0)
        lengths = features.pow(2).sum(1)
        squares = lengths[:, None] + lengths[None] - 2 * (features @ features.T)
    itself = torch.eye(len(features), dtype=torch.bool, device=features.device)
    return squares.clamp(min=0).masked_fill(itself, 0)


def euclidean_distances(features: Tensor) -> Tensor:
    """(B, D) -> (B, B): ||f_i - f_j||, differentiable also where it is zero."""
    squares = squared_euclidean_distances(features)
    apart = squares > _ZERO
    return torch.where(apart, squares, 1).sqrt().where(apart, 0)


def cosine_distances(features: Tensor) -> Tensor:
    """(B, D) -> (B, B): 1 - cosine, 0..2; a zero vector is at 1 from everything."""
    features = at_least_float32(features)
    with torch.autocast(features.device.type, enabled=False):
        directions = F.normalize(features, dim=1)
        return 1 - directions @ directions.T


def attribute_distances(attributes: Tensor, weights: Tensor | None = None) -> Tensor:
    """The squared Euclidean distance of ACRN between attribute vectors: (B, L) -> (B, B).

    Args:
        attributes: (B, L) scores of L attributes.
        weights: (L,) factors of the attributes; a larger one makes its attribute count more.

    Source: Schumann & Stiefelhagen, "Person Re-identification by Deep Learning
    Attribute-Complementary Information", CVPR workshops 2017.
    """
    return squared_euclidean_distances(attributes if weights is None else attributes * weights)


def aligned_distances(parts: Tensor) -> Tensor:
    """The aligned part distance of AlignedReID: (B, P, d) -> (B, B).

    A cell costs (e^x - 1) / (e^x + 1) = tanh(x / 2), x = ||f_i - g_j||; the distance is the sum
    along the cheapest path from the first parts of both to the last, moving right or down. It
    is not divided by the path's length.

    Source: Zhang et al., arXiv:1711.08184, equations 1 and 2.
    """
    batch, count, _ = parts.shape
    costs = torch.tanh(euclidean_distances(parts.flatten(0, 1)) / 2)
    return cheapest_path(costs.view(batch, count, batch, count).permute(1, 3, 0, 2))


def cheapest_path(costs: Tensor) -> Tensor:
    """(P, P, ...) -> (...): S_ij = min(S_i-1,j, S_i,j-1) + d_ij, the value at (P, P).

    All cells of one anti-diagonal i + j = k depend on the one before only, and are found at once.
    """
    size = len(costs)
    border = torch.full_like(costs[:1, 0], float("inf"))
    reached = costs[:1, 0]
    first = 0  # the row of reached[0]
    for k in range(1, 2 * size - 1):
        low, high = max(0, k - size + 1), min(k, size - 1)
        around = torch.cat([border, reached, border])  # row i at i - first + 1
        above = around[low - first : high - first + 1]
        left = around[low - first + 1 : high - first + 2]
        rows = torch.arange(low, high + 1, device=costs.device)
        reached, first = torch.minimum(above, left) + costs[rows, k - rows], low
    return reached[0]
