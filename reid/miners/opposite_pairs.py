"""The second negative pair of quadruplets: two identities of which neither is the anchor's.

Source: Chen et al., "Beyond triplet loss: a deep quadruplet network for person
re-identification", arXiv:1704.01719.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from reid.miners.base import PairSelection

Rule = Literal["hardest", "hardest_pair"]


def opposite_pairs(
    selection: PairSelection, distances: Tensor, labels: Tensor, rule: Rule = "hardest"
) -> Tensor:
    """For each triplet (A, A', B) a pair (B, C), (T, 2) int64; read it with `pick`.

    Args:
        selection: triplets. distances: (B, B) to mine by. labels: (B,).
        rule: "hardest" keeps the triplet's B and takes the nearest C of a third identity;
            "hardest_pair" takes the nearest pair of two identities other than A's.

    Raises:
        ValueError: `selection` is not of triplets, fewer than three identities, unknown rule.
    """
    anchors, negatives = selection.positive[:, 0], selection.negative[:, 1]
    if not selection.paired or bool((selection.negative[:, 0] != anchors).any()):
        raise ValueError("opposite_pairs needs triplets, whose two pairs share the anchor")
    identities, of_image = labels.unique(return_inverse=True)
    if len(identities) < 3:
        raise ValueError("opposite_pairs needs at least three identities in a batch")
    distances = distances.detach()
    if rule == "hardest":
        return _nearest_third(anchors, negatives, distances, labels)
    if rule == "hardest_pair":
        return _nearest_others(distances, of_image, len(identities))[of_image[anchors]]
    raise ValueError(f"opposite_pairs: unknown rule {rule!r}")


def _nearest_third(anchors: Tensor, negatives: Tensor, distances: Tensor, labels: Tensor) -> Tensor:
    """(T,), (T,) -> (T, 2): B and the image nearest to it that is of neither identity."""
    taken = (labels == labels[anchors, None]) | (labels == labels[negatives, None])
    nearest = distances[negatives].masked_fill(taken, float("inf")).argmin(1)
    return torch.stack([negatives, nearest], 1)


def _nearest_others(distances: Tensor, of_image: Tensor, count: int) -> Tensor:
    """(count, 2): for each identity the nearest pair of two other identities."""
    same = of_image[:, None] == of_image
    owners = torch.arange(count, device=of_image.device)[:, None] == of_image  # (count, B)
    taken = same | owners[:, :, None] | owners[:, None]
    nearest = distances.masked_fill(taken, float("inf")).flatten(1).argmin(1)
    return torch.stack([nearest // len(of_image), nearest % len(of_image)], 1)
