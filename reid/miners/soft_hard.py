"""Soft TriHard: means over positives and negatives in which the harder ones weigh more.

Source: "Deep person re-identification" slides (Megvii, 2017), soft triplet hard loss.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reid.miners.base import WeightedSelection, pair_masks


def soft_hard(distances: Tensor, labels: Tensor) -> WeightedSelection:
    """Weights softmax(d) over each anchor's positives and softmax(-d) over its negatives.

    The weights carry the gradient of `distances`. Mine by `distances.detach()` to treat them as
    constants, as the hard rules do.

    Args:
        distances: (B, B) to mine by. labels: (B,).

    Raises:
        ValueError: one identity only, or no identity with two images.
    """
    positives, negatives = pair_masks(distances, labels, "soft_hard")
    negatives = negatives & positives.any(1, keepdim=True)
    return WeightedSelection(_softmax(distances, positives), _softmax(-distances, negatives))


def _softmax(scores: Tensor, allowed: Tensor) -> Tensor:
    """Softmax of each row over its allowed columns; a row without one is 0."""
    scores = scores.masked_fill(~allowed, -float("inf"))
    scores = torch.where(allowed.any(1, keepdim=True), scores, 0)  # a row of -inf makes NaN
    return scores.softmax(1).masked_fill(~allowed, 0)
