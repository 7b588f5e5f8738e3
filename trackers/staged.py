"""The tracker: stages of matching, filters, exemplars and births, composed by its settings.

Each frame runs through the stages of the settings in order (`trackers.stages`); detections that
no stage explains begin tracks. The presets in `configs/tracker` are such compositions. In the
default one, a stage without any overlap gate compares new people with lost ones by appearance,
so that a person whom motion lost keeps the id. Closed tracks are cut where they ran from one
person onto another (`trackers.purity`).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid.embeddings import Embeddings
from trackers.detections import Detections
from trackers.economy import worth_embedding
from trackers.frame_view import FrameView
from trackers.history import History, Observation, build_piece
from trackers.pieces import LiveTrack, TrackPiece
from trackers.purity import split_at_changes
from trackers.staged_config import BirthConfig, StageConfig, TrackerConfig
from trackers.stages import StageOutcome, births, duplicates, match
from trackers.track_table import TrackTable

__all__ = ["StagedTracker", "TrackerConfig"]


class Listener(Protocol):
    """Is told what a tracker decides, before it takes effect; see `trackers.explain`."""

    def matched(
        self, frame: FrameView, stage: str, outcome: StageOutcome, table: TrackTable
    ) -> None:
        """A stage matched."""

    def began(
        self, frame: FrameView, table: TrackTable, columns: NDArray[np.int64], config: BirthConfig
    ) -> None:
        """All stages are over; the table's last rows are new tracks of these detections."""

    def ended(
        self,
        frame: FrameView,
        table: TrackTable,
        rows: NDArray[np.int64],
        doubled: NDArray[np.bool_],
    ) -> None:
        """Rows (K,) of the table are closed for good; doubled (M,): as duplicates of others."""

    def cut(self, track: int, becomes: int, first: Observation) -> None:
        """From this observation on, a track that is being closed gets a new id."""


class StagedTracker:
    """Follows the people of one camera. See the module.

    Args:
        config: its composition.
        on_stage: is told every decision.
    """

    def __init__(self, config: TrackerConfig, on_stage: Listener | None = None) -> None:
        self.config = config
        self._on_stage = on_stage
        self._table = TrackTable(config.motion, config.appearance)
        self._time_s: float | None = None

    def embedding_requests(self, time_s: float, detections: Detections) -> NDArray[np.bool_]:
        """Which detections to embed: (N,) bool; see `trackers.economy`."""
        if not np.isfinite(time_s):
            return np.zeros(len(detections), np.bool_)
        ahead = max(time_s - self._time_s, 0.0) if self._time_s is not None else 0.0
        predicted = self._table.motion.boxes_ahead(ahead)
        return worth_embedding(self._table, predicted, time_s, detections, self.config)

    def update(
        self,
        frame_index: int,
        time_s: float,
        detections: Detections,
        embeddings: Embeddings | None,
        embedded_rows: NDArray[np.int64],
        camera_motion: NDArray[np.float64] | None = None,
    ) -> list[TrackPiece]:
        """Take one frame; see `trackers.pieces.Tracker`.

        Of a frame whose time is not after the last one's, or not finite, only the camera motion
        is used.
        """
        if camera_motion is not None:
            self._table.warp(camera_motion)
        backwards = self._time_s is not None and time_s <= self._time_s
        if backwards or not np.isfinite(time_s):
            return []
        config, table = self.config, self._table
        frame = FrameView.of(frame_index, time_s, detections, embeddings, embedded_rows, config)
        table.motion.predict(0.0 if self._time_s is None else time_s - self._time_s)
        self._time_s = time_s
        predicted = table.motion.boxes_xyxy()
        for name, stage in config.stages.items():
            self._run(name, stage, predicted, frame)
        columns = births(table, frame, config.births)
        table.add(frame, columns)
        if self._on_stage is not None:
            self._on_stage.began(frame, table, columns, config.births)
        return self._close_finished(frame)

    def live(self) -> list[LiveTrack]:
        """Confirmed tracks that have not been closed."""
        table = self._table
        return [
            LiveTrack(
                int(table.ids[row]),
                table.boxes_xyxy[row].astype(np.float32),
                bool(table.seen_s[row] == self._time_s),
            )
            for row in np.flatnonzero(self._confirmed())
        ]

    def close(self) -> list[TrackPiece]:
        """Close everything that is open."""
        pieces = [p for row in np.flatnonzero(self._confirmed()) for p in self._emit(int(row))]
        self._table.keep(np.zeros(len(self._table), np.bool_))
        return pieces

    def _run(
        self, name: str, stage: StageConfig, predicted: NDArray[np.float64], frame: FrameView
    ) -> None:
        outcome = match(stage, self._table, predicted, frame, self.config.births.confirm_hits)
        if outcome is None:
            return
        if self._on_stage is not None:
            self._on_stage.matched(frame, name, outcome, self._table)
        frame.free[outcome.matched_columns] = False
        self._table.observe(
            outcome.matched_tracks, frame, outcome.matched_columns, restart=stage.restart
        )

    def _confirmed(self) -> NDArray[np.bool_]:
        return self._table.hits >= self.config.births.confirm_hits

    def _close_finished(self, frame: FrameView) -> list[TrackPiece]:
        """Close the tracks that were lost for good, and hand on the long ones."""
        config, table = self.config, self._table
        confirmed = self._confirmed()
        unseen = frame.time_s - table.seen_s
        gone = unseen > np.where(confirmed, config.max_lost_s, config.births.confirm_s) + 1e-6
        doubled = duplicates(table, frame.time_s, config.duplicate_iou)
        gone |= doubled
        if self._on_stage is not None:
            self._on_stage.ended(frame, table, np.flatnonzero(gone), doubled)
        pieces: list[TrackPiece] = []
        for row in np.flatnonzero(confirmed):
            if gone[row] or table.histories[row].duration_s >= config.piece_s:
                pieces += self._emit(int(row))
        table.keep(~gone)
        return pieces

    def _emit(self, row: int) -> list[TrackPiece]:
        """Hand on what the track has gathered, cut into runs of one person each."""
        table = self._table
        observations, table.histories[row] = table.histories[row].observations, History()
        if not observations:
            return []
        pieces = []
        for number, run in enumerate(split_at_changes(observations, self.config.purity)):
            if number:
                before = int(table.ids[row])
                table.ids[row], table.pieces[row] = table.new_id(), 0
                if self._on_stage is not None:
                    self._on_stage.cut(before, int(table.ids[row]), run[0])
            pieces.append(build_piece(int(table.ids[row]), int(table.pieces[row]), run))
            table.pieces[row] += 1
        return pieces
