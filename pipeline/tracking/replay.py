"""Run a tracker over a sequence whose boxes and embeddings are known."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from pipeline.tracking.observations import FrameObservations
from trackers.motfile import MotRows
from trackers.pieces import Tracker, TrackPiece


@dataclass(frozen=True)
class Replay:
    """The outcome of a run.

    Attributes:
        rows: the tracks, ids are track ids, frames count from 1.
        seconds: spent inside the tracker.
        frames: number of frames.
        embedded: number of boxes whose embedding the tracker asked for.
    """

    rows: MotRows
    seconds: float
    frames: int
    embedded: int

    @property
    def hz(self) -> float:
        """Frames per second of the tracker alone."""
        return self.frames / self.seconds if self.seconds else float("inf")


def replay(
    tracker: Tracker,
    frames: list[FrameObservations],
    fps: float,
    *,
    appearance: bool = True,
    camera_motion: bool = True,
    interpolate: bool = True,
) -> Replay:
    """Show every frame to a new tracker.

    Args:
        tracker: has seen nothing yet.
        frames: in order. fps: frames per second.
        appearance: give the tracker the embeddings that it asks for.
        camera_motion: tell the tracker how the camera moved.
        interpolate: keep the boxes that the tracker fills between two detections of a track.
    """
    pieces: list[TrackPiece] = []
    embedded, seconds = 0, 0.0
    for index, frame in enumerate(frames):
        start = time.perf_counter()
        wanted = tracker.embedding_requests(index / fps, frame.detections)
        seconds += time.perf_counter() - start
        features, rows = frame.requested(wanted & appearance)
        embedded += len(rows)
        start = time.perf_counter()
        motion = frame.camera_motion if camera_motion else None
        pieces += tracker.update(index, index / fps, frame.detections, features, rows, motion)
        seconds += time.perf_counter() - start
    pieces += tracker.close()
    return Replay(_rows(pieces, interpolate), seconds, len(frames), embedded)


def _rows(pieces: list[TrackPiece], interpolate: bool) -> MotRows:
    rows = MotRows.concatenate(
        [
            MotRows(
                piece.frame_indices + 1,
                np.full(len(piece.frame_indices), piece.track_id, np.int64),
                piece.boxes_xyxy,
                piece.scores,
            )
            for piece in pieces
        ]
    )
    return rows if interpolate else rows.select(rows.scores > 0)
