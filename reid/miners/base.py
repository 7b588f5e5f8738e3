"""What mining rules have in common: the pairs they select, and what they need of a batch.

A rule is called with the (B, B) distances to mine by and the (B,) identity labels, and returns a
`Selection`. Its `gather` reads the selected pairs from any (B, B) distances, so that pairs may be
mined by one distance and measured by another.

The same holds for every rule: an image is no positive of itself; an image that is alone with
its identity is no anchor (its triplets are dropped), but a negative of others; a batch of one
identity, or one in which no identity has two images, is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Selection(Protocol):
    """Pairs of one batch."""

    def gather(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """(B, B) -> distances of the positive (T,) and of the negative pairs (T',)."""
        ...


Miner = Callable[[Tensor, Tensor], Selection]
"""Distances (B, B) and labels (B,) -> Selection."""


@dataclass(frozen=True)
class PairSelection:
    """Pairs by their rows and columns in the distance matrix.

    Attributes:
        positive: (T, 2) int64, pairs of one identity, the anchor first.
        negative: (T', 2) int64, pairs of two identities, the anchor first.
        paired: T = T', and row t of both belongs together (a triplet).

    Raises:
        ValueError: a shape is not (T, 2), or paired numbers differ.
    """

    positive: Tensor
    negative: Tensor
    paired: bool

    def __post_init__(self) -> None:
        for pairs in (self.positive, self.negative):
            if pairs.dim() != 2 or pairs.shape[1] != 2:
                raise ValueError(f"pairs have the shape {tuple(pairs.shape)} instead of (T, 2)")
        if self.paired and len(self.positive) != len(self.negative):
            raise ValueError(
                f"{len(self.positive)} positive and {len(self.negative)} negative pairs are not "
                "paired"
            )

    def gather(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """(B, B) -> distances of the positive (T,) and of the negative pairs (T',)."""
        return pick(distances, self.positive), pick(distances, self.negative)


@dataclass(frozen=True)
class WeightedSelection:
    """For each anchor, a weighted mean over all its positives and over all its negatives.

    Attributes:
        positive_weights, negative_weights: (B, B); the row of an anchor sums to 1, the row of an
            image that is none is 0 in both.
    """

    positive_weights: Tensor
    negative_weights: Tensor

    def gather(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """(B, B) -> mean positive and mean negative distance of each of the A anchors, (A,)."""
        anchors = self.positive_weights.detach().sum(1) > 0
        positive = (self.positive_weights * distances).sum(1)
        negative = (self.negative_weights * distances).sum(1)
        return positive[anchors], negative[anchors]


def pick(distances: Tensor, pairs: Tensor) -> Tensor:
    """(B, B), (T, 2) -> (T,): the distances of the pairs."""
    return distances[pairs[:, 0], pairs[:, 1]]


def pair_masks(distances: Tensor, labels: Tensor, rule: str) -> tuple[Tensor, Tensor]:
    """Which pairs are positive and which negative, both (B, B) bool.

    Raises:
        ValueError: the shapes do not fit, the batch has a single identity or no positive pair.
    """
    count = len(labels)
    if labels.dim() != 1 or distances.shape != (count, count):
        raise ValueError(
            f"{rule}: distances {tuple(distances.shape)} and labels {tuple(labels.shape)} "
            "are not (B, B) and (B,)"
        )
    same = labels[:, None] == labels[None]
    positives = same & ~torch.eye(count, dtype=torch.bool, device=labels.device)
    if bool(same.all()):
        raise ValueError(f"{rule} needs at least two identities in a batch")
    if not bool(positives.any()):
        raise ValueError(f"{rule} needs an identity with two images in a batch")
    return positives, ~same


def anchor_rows(positives: Tensor) -> Tensor:
    """(B, B) bool -> (A,) int64: the images that have a positive."""
    return positives.any(1).nonzero()[:, 0]


def triplets(anchors: Tensor, positive: Tensor, negative: Tensor) -> PairSelection:
    """Triplets of the images at three (T,) int64 positions of the batch."""
    return PairSelection(
        torch.stack([anchors, positive], 1), torch.stack([anchors, negative], 1), paired=True
    )
