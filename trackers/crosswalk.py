"""The project's own tracker: motion and appearance together, and a stage for the lost.

Each frame goes through four stages (`trackers.crosswalk_stages`):

1. confident detections against live tracks, by overlap and appearance;
2. faint detections against what is left, by overlap alone (ByteTrack, Zhang et al., 2022);
3. **new versus lost**: confident detections that nothing explains against lost tracks by
   appearance, with no overlap gate, so that a person whom motion lost keeps the id;
4. births, confirmed after a second detection.

Closed tracks are cut where they ran from one person onto another (`trackers.purity`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid.embeddings import Embeddings
from trackers.crosswalk_camera import follow_camera
from trackers.crosswalk_config import CrosswalkConfig
from trackers.crosswalk_economy import worth_embedding
from trackers.crosswalk_stages import births, match_confident, match_faint, match_lost
from trackers.crosswalk_state import FrameView, Track
from trackers.detections import Detections
from trackers.history import History, build_piece
from trackers.kalman import KalmanBoxes
from trackers.pieces import LiveTrack, TrackPiece
from trackers.purity import split_at_changes

__all__ = ["CrosswalkConfig", "CrosswalkTracker"]


class CrosswalkTracker:
    """Follows the people of one camera. See the module for the stages."""

    def __init__(self, config: CrosswalkConfig | None = None) -> None:
        self.config = config or CrosswalkConfig()
        self._tracks: list[Track] = []
        self._motion = KalmanBoxes(self.config.motion)
        self._next_id = 1
        self._time_s: float | None = None

    def embedding_requests(self, time_s: float, detections: Detections) -> NDArray[np.bool_]:
        """Which detections to embed: (N,) bool; see `trackers.crosswalk_economy`."""
        predicted = self._predicted(time_s)
        return worth_embedding(self._tracks, predicted, time_s, detections, self.config)

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

        Of a frame whose time is not after the last one's only the camera motion is used.
        """
        follow_camera(self._motion, self._tracks, camera_motion)
        if self._time_s is not None and time_s <= self._time_s:
            return []
        config = self.config
        frame = FrameView.of(frame_index, time_s, detections, embeddings, embedded_rows, config)
        self._motion.predict(0.0 if self._time_s is None else time_s - self._time_s)
        self._time_s = time_s
        boxes, tracks = self._motion.boxes_xyxy(), self._tracks
        self._take(frame, *match_confident(tracks, boxes, frame, config))
        self._take(frame, *match_faint(tracks, self._waiting(), boxes, frame, config))
        self._take(frame, *match_lost(tracks, self._waiting(), frame, config), restart=True)
        self._give_birth(frame, births(tracks, frame, config))
        return self._close_finished(time_s)

    def live(self) -> list[LiveTrack]:
        """Confirmed tracks that have not been closed."""
        return [
            LiveTrack(t.track_id, t.box_xyxy, t.seen_s == self._time_s)
            for t in self._tracks
            if t.hits > 1
        ]

    def close(self) -> list[TrackPiece]:
        """Close everything that is open."""
        pieces = [p for t in self._tracks for p in self._finish(t)]
        self._tracks = []
        self._motion = KalmanBoxes(self.config.motion)
        return pieces

    def _predicted(self, time_s: float) -> NDArray[np.float64]:
        """(tracks, 4) where the tracks are expected at a later time, in pixels."""
        ahead = max(time_s - self._time_s, 0.0) if self._time_s is not None else 0.0
        boxes = self._motion.boxes_xyxy()
        shift = self._motion.mean[:, :2, 1] * ahead
        return boxes + np.concatenate([shift, shift], 1)

    def _waiting(self) -> NDArray[np.int64]:
        """Positions of the tracks that the newest frame has not shown so far."""
        return np.flatnonzero([t.seen_s != self._time_s for t in self._tracks])

    def _take(
        self,
        frame: FrameView,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        restart: bool = False,
    ) -> None:
        """Give detections to tracks; `restart` forgets how those tracks moved."""
        boxes, scores = frame.detections.boxes_xyxy[columns], frame.detections.scores[columns]
        if restart:
            for row, box, score in zip(rows, boxes, scores, strict=True):
                self._motion.restart(int(row), box, float(score))
        else:
            self._motion.update(rows, boxes, scores)
        frame.free[columns] = False
        for row, column in zip(rows, columns, strict=True):
            track = self._tracks[row]
            track.hits += 1
            track.observe(frame, int(column), self.config.appearance)

    def _give_birth(self, frame: FrameView, columns: NDArray[np.int64]) -> None:
        boxes = frame.detections.boxes_xyxy[columns]
        self._motion.add(boxes, frame.detections.scores[columns])
        for column, box in zip(columns, boxes, strict=True):
            track = Track(self._next_id, box, frame.time_s)
            self._next_id += 1
            self._tracks.append(track)
            track.observe(frame, int(column), self.config.appearance)

    def _close_finished(self, time_s: float) -> list[TrackPiece]:
        """Close the tracks that were lost for good, and hand on the long ones."""
        c = self.config
        pieces: list[TrackPiece] = []
        keep = np.ones(len(self._tracks), np.bool_)
        for row, track in enumerate(self._tracks):
            unseen = time_s - track.seen_s
            if unseen > (c.max_lost_s if track.hits > 1 else c.confirm_s):
                keep[row] = False
                pieces += self._finish(track)
            elif track.history.duration_s >= c.piece_s:
                pieces += self._emit(track)
        self._motion.keep(keep)
        self._tracks = [t for t, k in zip(self._tracks, keep, strict=True) if k]
        return pieces

    def _finish(self, track: Track) -> list[TrackPiece]:
        """The last pieces of a track; none of a ghost."""
        return self._emit(track) if track.hits > 1 else []

    def _emit(self, track: Track) -> list[TrackPiece]:
        """Hand on what the track has gathered, cut into runs of one person each."""
        observations, track.history = track.history.observations, History()
        if not observations:
            return []
        pieces = []
        for number, run in enumerate(split_at_changes(observations, self.config.purity)):
            if number:
                track.track_id, track.piece = self._next_id, 0
                self._next_id += 1
            pieces.append(build_piece(track.track_id, track.piece, run))
            track.piece += 1
        return pieces
