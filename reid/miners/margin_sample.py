"""Margin sample mining (MSML): one positive and one negative pair of the whole batch.

Source: Xiao et al., "Margin Sample Mining Loss", arXiv:1710.00478.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reid.miners.base import PairSelection, pair_masks


def margin_sample(distances: Tensor, labels: Tensor) -> PairSelection:
    """The farthest pair of one identity and the nearest pair of two, which may share no image.

    Args:
        distances: (B, B) to mine by. labels: (B,).

    Raises:
        ValueError: one identity only, or no identity with two images.
    """
    positives, negatives = pair_masks(distances, labels, "margin_sample")
    distances = distances.detach()
    farthest = distances.masked_fill(~positives, -float("inf")).argmax()
    nearest = distances.masked_fill(~negatives, float("inf")).argmin()
    pairs = torch.stack([farthest, nearest])
    pairs = torch.stack([pairs // len(labels), pairs % len(labels)], 1)
    return PairSelection(pairs[:1], pairs[1:], paired=True)
