"""Every pair of a batch once, for losses of pairs such as the contrastive loss.

Source: Hadsell et al., "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006.
"""

from __future__ import annotations

from torch import Tensor

from reid.miners.base import PairSelection, pair_masks


def all_pairs(distances: Tensor, labels: Tensor) -> PairSelection:
    """All positive and all negative pairs (i, j) with i < j; not paired with each other.

    Args:
        distances: (B, B); they do not matter. labels: (B,).

    Raises:
        ValueError: one identity only, or no identity with two images.
    """
    positives, negatives = pair_masks(distances, labels, "all_pairs")
    return PairSelection(positives.triu().nonzero(), negatives.triu().nonzero(), paired=False)
