"""What is remembered of one track until its piece is closed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trackers.pieces import TrackPiece


@dataclass(frozen=True)
class Observation:
    """One detection of a track.

    Attributes:
        frame_index, time_s, box_xyxy (4,), score, row: as in the detections.
        crowded: whether another box covered part of it.
        feature: (D,) global feature of the crop, None if it was not embedded.
    """

    frame_index: int
    time_s: float
    box_xyxy: NDArray[np.float32]
    score: float
    row: int
    crowded: bool
    feature: NDArray[np.float32] | None


@dataclass
class History:
    """Observations since the last closed piece, oldest first."""

    observations: list[Observation] = field(default_factory=list)

    @property
    def duration_s(self) -> float:
        """Seconds between the first and the last observation; 0 when empty."""
        if not self.observations:
            return 0.0
        return self.observations[-1].time_s - self.observations[0].time_s


def build_piece(track_id: int, piece: int, observations: list[Observation]) -> TrackPiece:
    """A closed piece; frames between two detections get linearly interpolated boxes, score 0."""
    frames = np.array([o.frame_index for o in observations], np.int64)
    every = np.arange(frames[0], frames[-1] + 1)
    boxes = np.stack([o.box_xyxy for o in observations]).astype(np.float64)
    times = np.array([o.time_s for o in observations])
    scores = np.zeros(len(every), np.float32)
    rows = np.full(len(every), -1, np.int64)
    scores[frames - frames[0]] = [o.score for o in observations]
    rows[frames - frames[0]] = [o.row for o in observations]
    filled = np.stack([np.interp(every, frames, boxes[:, k]) for k in range(4)], 1)
    return TrackPiece(
        track_id=track_id,
        piece=piece,
        frame_indices=every,
        times_s=np.interp(every, frames, times),
        boxes_xyxy=filled.astype(np.float32),
        scores=scores,
        detection_rows=rows,
    )
