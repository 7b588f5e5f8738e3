"""TriHard: triplets of the hardest positive and negative of each anchor in the batch.

Source: Hermans et al., "In Defense of the Triplet Loss", arXiv:1703.07737, equation 5.
"""

from __future__ import annotations

import torch
from torch import Tensor


def euclidean_distances(features: Tensor) -> Tensor:
    """(B, D) -> (B, B) Euclidean distances, differentiable also where they are zero."""
    features = features.float()
    square = features.pow(2).sum(1)
    products = features @ features.T
    return (square[:, None] + square[None] - 2 * products).clamp(min=1e-12).sqrt()


def hardest_pairs(distances: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Column of the farthest positive and of the nearest negative for each row.

    Args:
        distances: (B, B). labels: (B,).

    Returns:
        positive, negative: (B,) int64. A row without another positive gets itself.

    Raises:
        ValueError: the batch has a single identity, so that no negative exists.
    """
    same = labels[:, None] == labels[None]
    if bool(same.all()):
        raise ValueError("TriHard needs at least two identities in a batch")
    positive = distances.detach().masked_fill(~same, -1.0).argmax(1)
    negative = distances.detach().masked_fill(same, float("inf")).argmin(1)
    return positive, negative


def triplet_margin(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Mean of (d_AP - d_AN + margin)+ over the anchors; both (B,)."""
    return torch.relu(positive - negative + margin).mean()


def trihard_loss(features: Tensor, labels: Tensor, margin: float = 0.3) -> Tensor:
    """TriHard over a batch of (B, D) features; larger margins pull classes further apart."""
    distances = euclidean_distances(features)
    positive, negative = hardest_pairs(distances, labels)
    rows = torch.arange(len(labels), device=labels.device)
    return triplet_margin(distances[rows, positive], distances[rows, negative], margin)
