"""The project's own tracker: motion and appearance together, and a stage for the lost.

Each frame goes through four stages:

1. confident detections against live tracks, by overlap and appearance;
2. faint detections against what is left, by overlap alone (ByteTrack, Zhang et al., 2022);
3. **new versus lost**: confident detections that nothing explains against lost tracks by
   appearance, with no overlap gate, so that a person whom motion lost keeps the id;
4. births, confirmed after a second detection.

Closed tracks are cut where they ran from one person onto another (`trackers.purity`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reid.embeddings import Embeddings
from trackers.appearance import AppearanceConfig, Bank, bank_distances
from trackers.assignment import assign
from trackers.boxes import areas, covered, intersections, iou, usable
from trackers.detections import Detections
from trackers.history import History, Observation, build_piece
from trackers.kalman import KalmanBoxes, MotionNoise
from trackers.pieces import LiveTrack, TrackPiece
from trackers.purity import PurityConfig, split_at_changes


@dataclass(frozen=True)
class CrosswalkConfig:
    """Knobs of the tracker; durations in seconds, distances of `bank_distances` in 0..1.

    Attributes:
        high_score: detections from here on take part in stages 1, 3 and 4.
        low_score: fainter detections are ignored; lower keeps occluded people, adds ghosts.
        birth_score: a new track needs this confidence.
        min_iou: least overlap with the predicted box in stage 1; lower survives faster motion.
        min_iou_low: the same in stage 2.
        appearance_weight: 0..1, weight of appearance beside overlap in stage 1.
        veto_distance: appearance this far apart forbids a match in stage 1.
        crowd_veto_distance: the same where several tracks or boxes overlap.
        lost_distance: nearer than this revives a lost track in stage 3; larger joins more
            people wrongly.
        lost_margin: the best lost track must beat the second by this.
        max_lost_s: a track unseen for longer is closed.
        max_speed: box heights per second a lost person may have moved.
        confirm_s: a track seen once only, and not again within this, was a ghost.
        piece_s: longest piece handed on.
        embed_interval_s: calm tracks are embedded this often.
        crowd_interval_s: tracks that overlap others, and young ones, are embedded this often.
        young_embeddings: until a track has so many it counts as young.
        crowd_cover: fraction of a box that another must cover to count as crowded.
        birth_cover: a new track may be covered by a tracked box up to this fraction; more is
            taken for a second detection of the same body.
        embed_every_box: embed all confident boxes of all frames, to measure what is saved.
        motion, appearance, purity: of the parts.
    """

    high_score: float = 0.4
    low_score: float = 0.1
    birth_score: float = 0.5
    min_iou: float = 0.15
    min_iou_low: float = 0.4
    appearance_weight: float = 0.5
    veto_distance: float = 0.8
    crowd_veto_distance: float = 0.7
    lost_distance: float = 0.3
    lost_margin: float = 0.05
    max_lost_s: float = 2.0
    max_speed: float = 4.0
    confirm_s: float = 0.5
    piece_s: float = 30.0
    embed_interval_s: float = 0.5
    crowd_interval_s: float = 0.15
    young_embeddings: int = 4
    crowd_cover: float = 0.2
    birth_cover: float = 0.7
    embed_every_box: bool = False
    motion: MotionNoise = field(default_factory=MotionNoise)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    purity: PurityConfig = field(default_factory=PurityConfig)


@dataclass
class _Track:
    track_id: int
    box_xyxy: NDArray[np.float32]
    seen_s: float
    born_s: float
    hits: int = 1
    piece: int = 0
    embeddings: int = 0
    embedded_s: float = -np.inf
    bank: Bank = field(default_factory=Bank)
    history: History = field(default_factory=History)


@dataclass(frozen=True)
class _Frame:
    """One frame's inputs, and which detections are still free."""

    index: int
    time_s: float
    detections: Detections
    embeddings: Embeddings | None
    embedding_of: NDArray[np.int64]
    crowded: NDArray[np.bool_]
    free: NDArray[np.bool_]


class CrosswalkTracker:
    """Follows the people of one camera. See the module for the stages."""

    def __init__(self, config: CrosswalkConfig | None = None) -> None:
        self.config = config or CrosswalkConfig()
        self._tracks: list[_Track] = []
        self._motion = KalmanBoxes(self.config.motion)
        self._next_id = 1
        self._time_s: float | None = None

    def embedding_requests(self, time_s: float, detections: Detections) -> NDArray[np.bool_]:
        """Which detections to embed: (N,) bool.

        New people, young tracks, ambiguous or crowded places, and everybody now and then; a
        calm, long known track needs no embedding to be followed.
        """
        c = self.config
        wanted = self._eligible(detections) & (detections.scores >= c.high_score)
        if c.embed_every_box or not wanted.any() or not self._tracks:
            return wanted
        overlap = iou(self._predicted(time_s), detections.boxes_xyxy)
        best = overlap.argmax(0)
        known = overlap.max(0) >= 0.3
        since = np.array([time_s - t.embedded_s for t in self._tracks])[best]
        young = np.array([t.embeddings < c.young_embeddings for t in self._tracks])[best]
        busy = (overlap > 0.15).sum(0) > 1
        busy |= covered(detections.boxes_xyxy) > c.crowd_cover
        interval = np.where(busy | young, c.crowd_interval_s, c.embed_interval_s)
        return wanted & (~known | (since >= interval - 1e-6))

    def update(
        self,
        frame_index: int,
        time_s: float,
        detections: Detections,
        embeddings: Embeddings | None,
        embedded_rows: NDArray[np.int64],
    ) -> list[TrackPiece]:
        """Take one frame; see `trackers.pieces.Tracker`.

        A frame whose time is not after the last one's is ignored.
        """
        if self._time_s is not None and time_s <= self._time_s:
            return []
        frame = self._frame(frame_index, time_s, detections, embeddings, embedded_rows)
        self._motion.predict(0.0 if self._time_s is None else time_s - self._time_s)
        self._time_s = time_s
        taken = np.zeros(len(self._tracks), np.bool_)
        self._match_confident(frame, taken)
        self._match_faint(frame, taken)
        self._match_lost(frame, taken)
        self._give_birth(frame)
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

    def _eligible(self, detections: Detections) -> NDArray[np.bool_]:
        return usable(detections.boxes_xyxy) & (detections.scores >= self.config.low_score)

    def _predicted(self, time_s: float) -> NDArray[np.float64]:
        ahead = max(time_s - self._time_s, 0.0) if self._time_s is not None else 0.0
        boxes = self._motion.boxes_xyxy()
        shift = self._motion.mean[:, :2, 1] * ahead
        return boxes + np.concatenate([shift, shift], 1)

    def _frame(
        self,
        index: int,
        time_s: float,
        detections: Detections,
        embeddings: Embeddings | None,
        embedded_rows: NDArray[np.int64],
    ) -> _Frame:
        embedding_of = np.full(len(detections), -1, np.int64)
        embedding_of[embedded_rows] = np.arange(len(embedded_rows))
        strong = detections.scores >= self.config.high_score
        crowded = np.zeros(len(detections), np.bool_)
        crowded[strong] = covered(detections.boxes_xyxy[strong]) > self.config.crowd_cover
        free = self._eligible(detections)
        return _Frame(index, time_s, detections, embeddings, embedding_of, crowded, free)

    def _appearance(
        self, tracks: list[_Track], frame: _Frame, columns: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(tracks, columns) appearance distances, NaN where either side has no embedding."""
        out = np.full((len(tracks), len(columns)), np.nan, np.float32)
        have = np.flatnonzero(frame.embedding_of[columns] >= 0)
        if frame.embeddings is None or not len(have) or not tracks:
            return out
        batch = frame.embeddings[frame.embedding_of[columns[have]]]
        out[:, have] = bank_distances([t.bank for t in tracks], batch, self.config.appearance)
        return out

    def _match_confident(self, frame: _Frame, taken: NDArray[np.bool_]) -> None:
        c = self.config
        columns = np.flatnonzero(frame.free & (frame.detections.scores >= c.high_score))
        if not len(columns) or not self._tracks:
            return
        overlap = iou(self._motion.boxes_xyxy(), frame.detections.boxes_xyxy[columns])
        looks = self._appearance(self._tracks, frame, columns)
        near = overlap >= c.min_iou
        ambiguous = (near.sum(0) > 1)[None] | (near.sum(1) > 1)[:, None]
        ambiguous |= frame.crowded[columns][None]
        veto = np.where(ambiguous, c.crowd_veto_distance, c.veto_distance)
        known = ~np.isnan(looks)
        weight = np.where(known, c.appearance_weight, 0.0)
        cost = (1 - weight) * (1 - overlap) + weight * np.nan_to_num(looks)
        cost[~near | (known & (looks > veto))] = np.inf
        lost = np.array([frame.time_s - t.seen_s for t in self._tracks])[:, None]
        self._take(frame, taken, *_pairs(cost + 0.05 * np.minimum(lost, 1.0), 2.0, columns))

    def _match_faint(self, frame: _Frame, taken: NDArray[np.bool_]) -> None:
        c = self.config
        columns = np.flatnonzero(frame.free & (frame.detections.scores < c.high_score))
        rows = np.flatnonzero(~taken)
        rows = (
            rows[[frame.time_s - self._tracks[r].seen_s < 1.0 for r in rows]] if len(rows) else rows
        )
        if not len(columns) or not len(rows):
            return
        overlap = iou(self._motion.boxes_xyxy()[rows], frame.detections.boxes_xyxy[columns])
        local, chosen = _pairs(1 - overlap, 1 - c.min_iou_low, columns)
        self._take(frame, taken, rows[local], chosen)

    def _match_lost(self, frame: _Frame, taken: NDArray[np.bool_]) -> None:
        c = self.config
        columns = np.flatnonzero(
            frame.free & (frame.embedding_of >= 0) & (frame.detections.scores >= c.high_score)
        )
        rows = np.flatnonzero(~taken)
        if not len(columns) or not len(rows):
            return
        tracks = [self._tracks[r] for r in rows]
        cost = self._appearance(tracks, frame, columns)
        cost[np.isnan(cost)] = np.inf
        cost[~self._reachable(tracks, frame, columns)] = np.inf
        if len(rows) > 1:
            second = np.partition(cost, 1, axis=0)[1]
            unclear = (cost.min(0) + c.lost_margin > second) & np.isfinite(second)
            cost[:, unclear] = np.inf
        local, chosen = _pairs(cost, c.lost_distance, columns)
        self._take(frame, taken, rows[local], chosen, restart=True)

    def _reachable(
        self, tracks: list[_Track], frame: _Frame, columns: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """(tracks, columns): whether a person could have walked there in the time."""
        old = np.stack([t.box_xyxy for t in tracks]).astype(np.float64)
        new = frame.detections.boxes_xyxy[columns].astype(np.float64)
        height = np.maximum(old[:, 3] - old[:, 1], 1.0)
        centre_old, centre_new = (old[:, :2] + old[:, 2:]) / 2, (new[:, :2] + new[:, 2:]) / 2
        distance = np.linalg.norm(centre_old[:, None] - centre_new[None], axis=2)
        elapsed = np.array([frame.time_s - t.seen_s for t in tracks])
        return distance <= (self.config.max_speed * elapsed * height + height)[:, None]

    def _take(
        self,
        frame: _Frame,
        taken: NDArray[np.bool_],
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        restart: bool = False,
    ) -> None:
        boxes, scores = frame.detections.boxes_xyxy[columns], frame.detections.scores[columns]
        if restart:
            for row, box, score in zip(rows, boxes, scores, strict=True):
                self._motion.restart(int(row), box, float(score))
        else:
            self._motion.update(rows, boxes, scores)
        taken[rows] = True
        frame.free[columns] = False
        for row, column in zip(rows, columns, strict=True):
            track = self._tracks[row]
            track.hits += 1
            self._observe(track, frame, int(column))

    def _observe(self, track: _Track, frame: _Frame, column: int) -> None:
        track.box_xyxy = frame.detections.boxes_xyxy[column]
        track.seen_s = frame.time_s
        feature = None
        slot = int(frame.embedding_of[column])
        if slot >= 0 and frame.embeddings is not None:
            one = frame.embeddings[slice(slot, slot + 1)]
            feature = one.global_features[0]
            track.embedded_s = frame.time_s
            track.embeddings += 1
            if not frame.crowded[column] or not len(track.bank):
                track.bank.add(one, self.config.appearance)
        track.history.observations.append(
            Observation(
                frame.index,
                frame.time_s,
                track.box_xyxy,
                float(frame.detections.scores[column]),
                column,
                bool(frame.crowded[column]),
                feature,
            )
        )

    def _give_birth(self, frame: _Frame) -> None:
        columns = np.flatnonzero(frame.free & (frame.detections.scores >= self.config.birth_score))
        if not len(columns):
            return
        seen = [t.box_xyxy for t in self._tracks if t.seen_s == frame.time_s]
        if seen:
            candidates = frame.detections.boxes_xyxy[columns]
            inside = intersections(candidates, np.stack(seen)).max(1)
            columns = columns[inside <= self.config.birth_cover * areas(candidates)]
        boxes = frame.detections.boxes_xyxy[columns]
        self._motion.add(boxes, frame.detections.scores[columns])
        for column, box in zip(columns, boxes, strict=True):
            track = _Track(self._next_id, box, frame.time_s, frame.time_s)
            self._next_id += 1
            self._tracks.append(track)
            self._observe(track, frame, int(column))

    def _close_finished(self, time_s: float) -> list[TrackPiece]:
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

    def _finish(self, track: _Track) -> list[TrackPiece]:
        return self._emit(track) if track.hits > 1 else []

    def _emit(self, track: _Track) -> list[TrackPiece]:
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


def _pairs(
    cost: NDArray[np.floating], limit: float, columns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, chosen = assign(cost, limit)
    return rows, columns[chosen]
