"""One random triplet per anchor: the baseline that mining is compared with.

Source: this project; the uniform sampling that Hermans et al., arXiv:1703.07737, argue against.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reid.miners.base import PairSelection, anchor_rows, pair_masks, triplets


def random_triplets(
    distances: Tensor, labels: Tensor, *, generator: torch.Generator
) -> PairSelection:
    """For each anchor one of its positives and one of its negatives, each equally likely.

    Args:
        distances: (B, B); they do not matter. labels: (B,).
        generator: the only source of chance; it may live on another device than the batch.

    Raises:
        ValueError: one identity only, or no identity with two images.
    """
    positives, negatives = pair_masks(distances, labels, "random_triplets")
    anchors = anchor_rows(positives)
    return triplets(
        anchors,
        _random_column(positives, generator)[anchors],
        _random_column(negatives, generator)[anchors],
    )


def _random_column(allowed: Tensor, generator: torch.Generator) -> Tensor:
    """(B, B) bool -> (B,): one allowed column of each row."""
    draws = torch.rand(allowed.shape, generator=generator, device=generator.device)
    return draws.to(allowed.device).masked_fill(~allowed, -1).argmax(1)
