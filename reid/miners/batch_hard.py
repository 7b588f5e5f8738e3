"""TriHard: one triplet per anchor, of its hardest positive and its hardest negative.

Source: Hermans et al., "In Defense of the Triplet Loss", arXiv:1703.07737, equation 5.
"""

from __future__ import annotations

from torch import Tensor

from reid.miners.base import PairSelection, anchor_rows, pair_masks, triplets


def batch_hard(distances: Tensor, labels: Tensor) -> PairSelection:
    """For each anchor the farthest image of its identity and the nearest of another.

    Args:
        distances: (B, B) to mine by. labels: (B,).

    Raises:
        ValueError: one identity only, or no identity with two images.
    """
    positives, negatives = pair_masks(distances, labels, "batch_hard")
    distances = distances.detach()
    farthest = distances.masked_fill(~positives, -float("inf")).argmax(1)
    nearest = distances.masked_fill(~negatives, float("inf")).argmin(1)
    anchors = anchor_rows(positives)
    return triplets(anchors, farthest[anchors], nearest[anchors])
