"""What the tracker remembers of each person, and one frame as its stages see it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reid.embeddings import Embeddings
from trackers.appearance import AppearanceConfig, Bank
from trackers.boxes import covered, usable
from trackers.crosswalk_config import CrosswalkConfig
from trackers.detections import Detections
from trackers.history import History, Observation


@dataclass(frozen=True)
class FrameView:
    """One frame's inputs, and which of its N detections are still free.

    Attributes:
        index: 0-based frame of the source. time_s: seconds.
        detections: N boxes and scores. embeddings: K rows, None if nothing was embedded.
        embedding_of: (N,) row in `embeddings`, -1 where a detection has none.
        crowded: (N,) whether other confident boxes cover part of it.
        free: (N,) not explained by a track yet; the stages clear it.
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
        config: CrosswalkConfig,
    ) -> FrameView:
        """The view of a new frame; `embeddings` row k describes detection `embedded_rows[k]`."""
        embedding_of = np.full(len(detections), -1, np.int64)
        embedding_of[embedded_rows] = np.arange(len(embedded_rows))
        strong = detections.scores >= config.high_score
        crowded = np.zeros(len(detections), np.bool_)
        crowded[strong] = covered(detections.boxes_xyxy[strong]) > config.crowd_cover
        free = eligible(detections, config)
        return cls(index, time_s, detections, embeddings, embedding_of, crowded, free)

    def embedding(self, column: int) -> Embeddings | None:
        """The embedding of one detection, as a batch of one; None if it has none."""
        slot = int(self.embedding_of[column])
        if slot < 0 or self.embeddings is None:
            return None
        return self.embeddings[slice(slot, slot + 1)]


@dataclass
class Track:
    """A person who is followed.

    Attributes:
        track_id: never reused.
        box_xyxy: (4,) float32 pixels, the newest detected box. seen_s: its time in seconds.
        hits: detections so far; one alone may be a ghost.
        piece: number of the next piece of this track.
        embeddings: how many there were. embedded_s: time of the newest in seconds.
        bank: exemplars of the appearance.
        history: what has not been handed on yet.
    """

    track_id: int
    box_xyxy: NDArray[np.float32]
    seen_s: float
    hits: int = 1
    piece: int = 0
    embeddings: int = 0
    embedded_s: float = -np.inf
    bank: Bank = field(default_factory=Bank)
    history: History = field(default_factory=History)

    def observe(self, frame: FrameView, column: int, config: AppearanceConfig) -> None:
        """Take detection `column` of the frame as the newest sight of this person.

        The bank learns from crowded crops only while it is empty.
        """
        self.box_xyxy = frame.detections.boxes_xyxy[column]
        self.seen_s = frame.time_s
        embedding = frame.embedding(column)
        if embedding is not None:
            self.embedded_s = frame.time_s
            self.embeddings += 1
            if not frame.crowded[column] or not len(self.bank):
                self.bank.add(embedding, config)
        self.history.observations.append(
            Observation(
                frame.index,
                frame.time_s,
                self.box_xyxy,
                float(frame.detections.scores[column]),
                column,
                bool(frame.crowded[column]),
                None if embedding is None else embedding.global_features[0],
            )
        )


def eligible(detections: Detections, config: CrosswalkConfig) -> NDArray[np.bool_]:
    """Which detections take part at all: (N,) bool, proper boxes that are not too faint."""
    return usable(detections.boxes_xyxy) & (detections.scores >= config.low_score)
