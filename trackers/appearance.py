"""Appearance of tracks: several exemplars each, compared by global and aligned part distance.

A bank of exemplars replaces the usual running average, because an average of front and back
looks like neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reid.distances import aligned_distance
from reid.embeddings import Embeddings

ALIGNED_SCALE = 0.76
"""Largest aligned distance of unit vectors, tanh(1)."""


@dataclass(frozen=True)
class AppearanceConfig:
    """How appearance is compared.

    Attributes:
        bank_size: exemplars per track; more remember more views and cost time.
        part_weight: 0..1, share of the aligned part distance beside the global cosine distance.
        novelty: an embedding closer than this to the bank replaces its nearest exemplar
            instead of the oldest one; larger keeps older views longer.
    """

    bank_size: int = 8
    part_weight: float = 0.4
    novelty: float = 0.12


@dataclass
class Bank:
    """The exemplars of one track: lists of equal length."""

    global_features: list[NDArray[np.float32]] = field(default_factory=list)
    part_features: list[NDArray[np.float32]] = field(default_factory=list)
    visibility: list[NDArray[np.float32]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.global_features)

    def add(self, embedding: Embeddings, config: AppearanceConfig) -> None:
        """Take in one embedding (a batch of one)."""
        new = (
            embedding.global_features[0],
            embedding.part_features[0],
            embedding.part_visibility[0],
        )
        lists = (self.global_features, self.part_features, self.visibility)
        if len(self) >= config.bank_size:
            distances = 1 - np.stack(self.global_features) @ new[0]
            nearest = int(distances.argmin())
            drop = nearest if distances[nearest] < config.novelty else 0
            for values in lists:
                values.pop(drop)
        for values, value in zip(lists, new, strict=True):
            values.append(value)  # type: ignore[arg-type]


def bank_distances(
    banks: list[Bank], embeddings: Embeddings, config: AppearanceConfig
) -> NDArray[np.float32]:
    """Distance of M banks to N embeddings: (M, N) in 0..1; NaN for an empty bank.

    (1 - part_weight) * cosine distance + part_weight * aligned distance / 0.76, both of the
    bank's best exemplar for that embedding.
    """
    out = np.full((len(banks), len(embeddings)), np.nan, np.float32)
    sizes = [len(bank) for bank in banks]
    if not sum(sizes) or not len(embeddings):
        return out
    features = np.stack([f for bank in banks for f in bank.global_features])
    distance: NDArray[np.floating] = 1 - features @ embeddings.global_features.T
    if config.part_weight:
        parts = np.stack([f for bank in banks for f in bank.part_features])
        seen = np.stack([v for bank in banks for v in bank.visibility])
        aligned = aligned_distance(
            parts, embeddings.part_features, seen, embeddings.part_visibility
        )
        np.copyto(aligned, ALIGNED_SCALE, where=np.isnan(aligned))
        aligned /= ALIGNED_SCALE
        distance = (1 - config.part_weight) * distance + config.part_weight * aligned
    start = 0
    for row, size in enumerate(sizes):
        if size:
            out[row] = distance[start : start + size].min(0)
        start += size
    return out
