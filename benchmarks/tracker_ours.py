"""The project's own trackers on labelled sequences whose boxes were embedded before."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.tracker_scores import Score
from pipeline.tracking.observations import FrameObservations
from pipeline.tracking.replay import replay
from pipeline.tracking.scoring import comparable
from pipeline.tracking.sequence_folder import SequenceFolder
from reid.embeddings import Embeddings
from trackers.detections import Detections
from trackers.pieces import LiveTrack, Tracker, TrackPiece


@dataclass(frozen=True)
class Observed:
    """A sequence and what a tracker sees of it."""

    sequence: SequenceFolder
    frames: list[FrameObservations]


@dataclass(frozen=True)
class OwnRun:
    """One of our trackers on all sequences.

    Attributes:
        detected: scores of the detected boxes alone, by sequence.
        filled: scores with the boxes that the tracker interpolates.
        embedded: boxes whose embedding it asked for. boxes: boxes in all.
    """

    detected: dict[str, Score]
    filled: dict[str, Score]
    embedded: int
    boxes: int


class Clocked:
    """A tracker whose processor time is measured, which other work on the machine leaves alone.

    Attributes:
        seconds: processor time inside the tracker so far.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.seconds = 0.0
        self._tracker = tracker

    def embedding_requests(self, time_s: float, detections: Detections) -> NDArray[np.bool_]:
        """As `trackers.pieces.Tracker`."""
        began = time.process_time()
        wanted = self._tracker.embedding_requests(time_s, detections)
        self.seconds += time.process_time() - began
        return wanted

    def update(
        self,
        frame_index: int,
        time_s: float,
        detections: Detections,
        embeddings: Embeddings | None,
        embedded_rows: NDArray[np.int64],
        camera_motion: NDArray[np.float64] | None = None,
    ) -> list[TrackPiece]:
        """As `trackers.pieces.Tracker`."""
        began = time.process_time()
        pieces = self._tracker.update(
            frame_index, time_s, detections, embeddings, embedded_rows, camera_motion
        )
        self.seconds += time.process_time() - began
        return pieces

    def live(self) -> list[LiveTrack]:
        """As `trackers.pieces.Tracker`."""
        return self._tracker.live()

    def close(self) -> list[TrackPiece]:
        """As `trackers.pieces.Tracker`."""
        return self._tracker.close()


def run_ours(
    build: Callable[[], Tracker],
    observed: Sequence[Observed],
    *,
    appearance: bool = True,
    camera_motion: bool = True,
) -> OwnRun:
    """A new tracker per sequence, scored with and without its interpolated boxes."""
    detected: dict[str, Score] = {}
    filled: dict[str, Score] = {}
    embedded = boxes = 0
    for one in observed:
        name, labels = one.sequence.name, one.sequence.labels()
        tracker = Clocked(build())
        run = replay(
            tracker,
            one.frames,
            one.sequence.fps,
            appearance=appearance,
            camera_motion=camera_motion,
        )
        seen = run.rows.select(run.rows.scores > 0)
        for rows, scores in ((run.rows, filled), (seen, detected)):
            gt, counted = comparable(one.sequence, labels, rows)
            scores[name] = Score.of(gt, counted, run.frames, tracker.seconds)
        embedded += run.embedded
        boxes += sum(len(frame.detections) for frame in one.frames)
    return OwnRun(detected, filled, embedded, boxes)


def pin_to_one_core() -> str:
    """Let this process and its children use one core only; says what was done."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned to a core: this system cannot"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"
