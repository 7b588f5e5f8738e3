"""One frame as the stages of a tracker see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid.embeddings import Embeddings
from trackers.boxes import covered, usable
from trackers.detections import Detections
from trackers.staged_config import TrackerConfig


@dataclass(frozen=True)
class FrameView:
    """One frame's inputs, and which of its N detections are still free.

    Attributes:
        index: 0-based frame of the source. time_s: seconds.
        detections: N boxes and scores. embeddings: K rows, None if nothing was embedded.
        embedding_of: (N,) row in `embeddings`, -1 where a detection has none.
        crowded: (N,) whether other confident boxes cover part of it.
        free: (N,) not explained by a track yet; the tracker clears it.
    """

    index: int
    time_s: float
    detections: Detections
    embeddings: Embeddings | None
    embedding_of: NDArray[np.int64]
    crowded: NDArray[np.bool_]
    free: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        index: int,
        time_s: float,
        detections: Detections,
        embeddings: Embeddings | None,
        embedded_rows: NDArray[np.int64],
        config: TrackerConfig,
    ) -> FrameView:
        """The view of a new frame; `embeddings` row k describes detection `embedded_rows[k]`."""
        embedding_of = np.full(len(detections), -1, np.int64)
        embedding_of[embedded_rows] = np.arange(len(embedded_rows))
        economy = config.economy
        strong = detections.scores >= economy.min_score
        crowded = np.zeros(len(detections), np.bool_)
        crowded[strong] = covered(detections.boxes_xyxy[strong]) > economy.crowd_cover
        free = eligible(detections, config)
        return cls(index, time_s, detections, embeddings, embedding_of, crowded, free)


def eligible(detections: Detections, config: TrackerConfig) -> NDArray[np.bool_]:
    """Which detections take part at all: (N,) bool, proper boxes that are not too faint."""
    return usable(detections.boxes_xyxy) & (detections.scores >= config.min_score)
