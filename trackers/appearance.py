"""Appearance of tracks: several exemplars each, compared by global and aligned part distance.

A bank of exemplars replaces the usual running average, because an average of front and back
looks like neither. The average is there, too (`memory: average`), for the presets of others.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from reid.distances import paired_aligned_distance
from reid.embeddings import Embeddings
from trackers.ranges import COUNT, FROM_ZERO, SHARE

ALIGNED_SCALE = 0.76
"""Largest aligned distance of unit vectors, tanh(1)."""


@dataclass(frozen=True)
class AppearanceConfig:
    """How appearance is kept and compared.

    Attributes:
        memory: "exemplars", or "average": one running mean per track.
        bank_size: exemplars per track; more remember more views and cost time.
        part_weight: 0..1, share of the aligned part distance beside the global cosine distance.
        novelty: an embedding closer than this to the bank replaces its nearest exemplar
            instead of the oldest one; larger keeps older views longer.
        momentum: 0..1, how much of the average remains at each update.
        trust_score: confidence from which on a detection is fully trusted in the average; the
            momentum rises to 1 as the confidence falls to this (Deep OC-SORT); 1 switches it off.
    """

    memory: str = "exemplars"
    bank_size: int = 8
    part_weight: float = 0.4
    novelty: float = 0.12
    momentum: float = 0.9
    trust_score: float = 1.0

    CHOICES = MappingProxyType({"memory": ("exemplars", "average")})
    RANGES = MappingProxyType(
        {
            "bank_size": COUNT,
            "part_weight": SHARE,
            "novelty": FROM_ZERO,
            "momentum": SHARE,
            "trust_score": SHARE,
        }
    )

    @property
    def capacity(self) -> int:
        """Exemplars that a track may have."""
        return self.bank_size if self.memory == "exemplars" else 1


class Gallery:
    """The exemplars of M tracks; rows are added at the end and removed by a mask.

    Attributes:
        counts: (M,) int64 exemplars of each track; they fill its first slots, oldest first.
    """

    def __init__(self, config: AppearanceConfig) -> None:
        self.config = config
        self.counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._whole: NDArray[np.float32] = np.zeros((0, config.capacity, 0), np.float32)
        self._parts: NDArray[np.float32] = np.zeros((0, config.capacity, 0, 0), np.float32)
        self._seen: NDArray[np.float32] = np.zeros((0, config.capacity, 0), np.float32)

    def __len__(self) -> int:
        return len(self.counts)

    def add_rows(self, count: int) -> None:
        """Begin `count` tracks without an exemplar."""
        self.counts = np.concatenate([self.counts, np.zeros(count, np.int64)])
        self._whole = _longer(self._whole, count)
        self._parts = _longer(self._parts, count)
        self._seen = _longer(self._seen, count)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the tracks where `mask` (M,) is false."""
        self.counts = self.counts[mask]
        self._whole, self._parts = self._whole[mask], self._parts[mask]
        self._seen = self._seen[mask]

    def add(self, row: int, embeddings: Embeddings, which: int, score: float) -> None:
        """Give embedding `which`, seen with a confidence of 0..1, to a track."""
        whole = embeddings.global_features[which]
        parts, seen = embeddings.part_features[which], embeddings.part_visibility[which]
        if self._whole.shape[2] == 0:
            self._shape_for(whole.shape, parts.shape)
        if self.config.memory == "average" and self.counts[row]:
            keep = self._kept_share(score)
            whole = _unit(keep * self._whole[row, 0] + (1 - keep) * whole)
            parts = _unit(keep * self._parts[row, 0] + (1 - keep) * parts)
            slot = 0
        elif self.counts[row] < self.config.capacity:
            slot = int(self.counts[row])
            self.counts[row] += 1
        else:
            slot = self._make_room(row, whole)
        self._whole[row, slot], self._parts[row, slot], self._seen[row, slot] = whole, parts, seen

    def distances(
        self,
        rows: NDArray[np.int64],
        embeddings: Embeddings,
        wanted: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        """Distance of m tracks to n embeddings: (m, n) in 0..1; NaN for a track without exemplar.

        (1 - part_weight) * cosine distance + part_weight * aligned distance / 0.76, both to the
        track's exemplar of the smallest cosine distance.

        Args:
            rows: (m,) positions of the tracks. embeddings: n of them.
            wanted: (m, n) pairs that matter; the others may get NaN.
        """
        out = np.full((len(rows), len(embeddings)), np.nan, np.float32)
        counts = self.counts[rows]
        pairs = np.broadcast_to((counts > 0)[:, None], out.shape)
        if wanted is not None:
            pairs = pairs & wanted
        m, n = np.nonzero(pairs)
        if not len(m):
            return out
        similar = self._whole[rows] @ embeddings.global_features.T
        similar[np.arange(similar.shape[1])[None] >= counts[:, None]] = -np.inf
        best = similar.argmax(1)
        distance = 1 - similar.max(1)[m, n]
        weight = self.config.part_weight
        if weight:
            aligned = paired_aligned_distance(
                self._parts[rows[m], best[m, n]],
                embeddings.part_features[n],
                self._seen[rows[m], best[m, n]],
                embeddings.part_visibility[n],
            )
            np.copyto(aligned, ALIGNED_SCALE, where=np.isnan(aligned))
            distance = (1 - weight) * distance + weight / ALIGNED_SCALE * aligned
        out[m, n] = distance
        return out

    def _make_room(self, row: int, whole: NDArray[np.float32]) -> int:
        """Drop the exemplar that is nearest, if it is near enough, or the oldest; the free slot."""
        distances = 1 - self._whole[row] @ whole
        nearest = int(distances.argmin())
        drop = nearest if distances[nearest] < self.config.novelty else 0
        for values in (self._whole, self._parts, self._seen):
            values[row, drop:-1] = values[row, drop + 1 :].copy()
        return self.config.capacity - 1

    def _kept_share(self, score: float) -> float:
        momentum, trust = self.config.momentum, self.config.trust_score
        if trust >= 1:
            return momentum
        return momentum + (1 - momentum) * (1 - max(score - trust, 0) / (1 - trust))

    def _shape_for(self, whole: tuple[int, ...], parts: tuple[int, ...]) -> None:
        slots = (len(self), self.config.capacity)
        self._whole = np.zeros((*slots, *whole), np.float32)
        self._parts = np.zeros((*slots, *parts), np.float32)
        self._seen = np.zeros((*slots, parts[0]), np.float32)


def _longer(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return np.concatenate([values, np.zeros((count, *values.shape[1:]), np.float32)])


def _unit(values: NDArray[np.floating]) -> NDArray[np.float32]:
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.asarray(values / np.maximum(length, 1e-12), np.float32)
