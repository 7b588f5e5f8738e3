"""What a tracker hands on: closed pieces of tracks, and the interface that every tracker has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid.embeddings import Embeddings
from trackers.detections import Detections


@dataclass(frozen=True)
class TrackPiece:
    """A closed piece of one track.

    Attributes:
        track_id: unique in its tracker, never reused.
        piece: 0, 1, 2 ... within the track.
        frame_indices: (N,) int64 ascending, 0-based frames of the source.
        times_s: (N,) float64 seconds.
        boxes_xyxy: (N, 4) float32 pixels.
        scores: (N,) float32; 0 where the box was interpolated.
        detection_rows: (N,) int64, row in that frame's detections; -1 where interpolated.
    """

    track_id: int
    piece: int
    frame_indices: NDArray[np.int64]
    times_s: NDArray[np.float64]
    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    detection_rows: NDArray[np.int64]


@dataclass(frozen=True)
class LiveTrack:
    """A track as it stands after the newest frame.

    Attributes:
        track_id: as in TrackPiece.
        box_xyxy: (4,) float32 pixels, the newest detected box.
        observed: whether it was detected in the newest frame.
    """

    track_id: int
    box_xyxy: NDArray[np.float32]
    observed: bool


class Tracker(Protocol):
    """A tracker of one camera. Each camera has its own instance; nothing is shared."""

    def embedding_requests(self, time_s: float, detections: Detections) -> NDArray[np.bool_]:
        """Which of the N detections must be embedded before `update`: (N,) bool."""

    def update(
        self,
        frame_index: int,
        time_s: float,
        detections: Detections,
        embeddings: Embeddings | None,
        embedded_rows: NDArray[np.int64],
        camera_motion: NDArray[np.float64] | None = None,
    ) -> list[TrackPiece]:
        """Take one frame.

        Args:
            frame_index: 0-based frame of the source. time_s: its time in seconds, ascending.
            detections: N boxes and scores.
            embeddings: K rows, None if nothing was embedded.
            embedded_rows: (K,) int64; row k of `embeddings` describes detection
                `embedded_rows[k]`.
            camera_motion: (2, 3) affine from pixels of the frame before, which the tracker was
                given, to pixels of this one; None if the camera stood still.

        Returns:
            the pieces that were closed by this frame.
        """

    def live(self) -> list[LiveTrack]:
        """Confirmed tracks that have not been closed."""

    def close(self) -> list[TrackPiece]:
        """End of the source: close everything that is open."""
