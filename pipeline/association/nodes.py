"""Tracklets as the association sees them: arrays over N tracklets instead of objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.association.adaptation import adapt
from storage.tracklets import Tracklet

_FULL_LENGTH_S = 1.0
_FULL_EXEMPLARS = 4


@dataclass(frozen=True)
class Nodes:
    """N tracklets with at least one exemplar each.

    Attributes:
        tracklets: the N tracklets.
        means: (N, D) float64 of length 1, mean of each tracklet's exemplars, adapted to the
            site (see `adaptation`).
        parts: (N, P, d), visibility (N, P): of each tracklet's best exemplar.
        weights: (N,) in 0..1, how much a tracklet says: short ones with one picture say little.
    """

    tracklets: tuple[Tracklet, ...]
    means: NDArray[np.float64]
    parts: NDArray[np.float32]
    visibility: NDArray[np.float32]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.tracklets)

    @classmethod
    def of(cls, tracklets: Sequence[Tracklet]) -> Nodes:
        """Gather tracklets; each must have an exemplar."""
        weights = []
        for t in tracklets:
            length = min(1.0, (t.end_s - t.start_s) / _FULL_LENGTH_S)
            count = min(len(t.exemplars), _FULL_EXEMPLARS) / _FULL_EXEMPLARS
            weights.append(max(0.02, count * np.sqrt(length)))
        every = [(row, e) for row, t in enumerate(tracklets) for e in t.exemplars]
        owner = np.asarray([row for row, _ in every], np.int64)
        features = np.asarray([e.global_feature for _, e in every], np.float64)
        cameras = [t.camera for t in tracklets]
        return cls(
            tuple(tracklets),
            adapt(features, owner, cameras) if every else np.zeros((0, 0)),
            np.asarray([t.exemplars[0].part_features for t in tracklets], np.float32),
            np.asarray([t.exemplars[0].part_visibility for t in tracklets], np.float32),
            np.asarray(weights, np.float64),
        )
