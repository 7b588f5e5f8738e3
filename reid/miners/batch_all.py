"""Every triplet of a batch.

Source: Hermans et al., "In Defense of the Triplet Loss", arXiv:1703.07737, equation 6.
"""

from __future__ import annotations

from torch import Tensor

from reid.miners.base import PairSelection, pair_masks, triplets


def batch_all(distances: Tensor, labels: Tensor) -> PairSelection:
    """Each anchor with each of its positives and each of its negatives.

    P identities of K images make PK (K - 1) (PK - K) triplets; the distances do not matter.

    Args:
        distances: (B, B). labels: (B,).

    Raises:
        ValueError: one identity only, or no identity with two images.
    """
    positives, negatives = pair_masks(distances, labels, "batch_all")
    anchor, positive, negative = (positives[:, :, None] & negatives[:, None]).nonzero().unbind(1)
    return triplets(anchor, positive, negative)
