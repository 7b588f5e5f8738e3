"""One round of matching: which detections belong to which tracks, and what each pair costs.

A stage decides without changing anything; `trackers.staged` runs the stages in order and acts on
the answers. What the terms are: `trackers.staged_config.StageConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trackers.assignment import assign
from trackers.boxes import areas, enlarged, height_overlap, intersections, iou
from trackers.frame_view import FrameView
from trackers.staged_config import BirthConfig, StageConfig
from trackers.track_table import TrackTable

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StageOutcome:
    """What one stage compared and decided.

    Attributes:
        tracks: (m,) rows of the tracks that took part. columns: (n,) detections that did.
        cost: (m, n), infinity where a pair was forbidden.
        terms: (m, n) each, by name: overlap, appearance, momentum ...; NaN where unknown.
        vetoes: (m, n) bool each, by the name of the setting that forbade the pair.
        pairs: (K, 2) positions in `tracks` and `columns` that were matched.
        limit: pairs that cost so much or more stay apart.
    """

    tracks: NDArray[np.int64]
    columns: NDArray[np.int64]
    cost: Floats
    terms: Mapping[str, NDArray[np.floating]]
    vetoes: Mapping[str, NDArray[np.bool_]]
    pairs: NDArray[np.int64]
    limit: float

    @property
    def matched_tracks(self) -> NDArray[np.int64]:
        """(K,) rows of the tracks."""
        return self.tracks[self.pairs[:, 0]]

    @property
    def matched_columns(self) -> NDArray[np.int64]:
        """(K,) columns of the detections."""
        return self.columns[self.pairs[:, 1]]


def match(
    stage: StageConfig,
    table: TrackTable,
    predicted_xyxy: Floats,
    frame: FrameView,
    confirm_hits: int,
) -> StageOutcome | None:
    """Match the tracks that wait with the detections that are free; None if there are none.

    Args:
        predicted_xyxy: (M, 4) where the tracks are expected, pixels.
        confirm_hits: sights that make a track confirmed.
    """
    rows = _taking_part(stage, table, frame, confirm_hits)
    scores = frame.detections.scores
    columns = np.flatnonzero(frame.free & (scores >= stage.min_score) & (scores < stage.max_score))
    if stage.need_appearance:
        columns = columns[frame.embedding_of[columns] >= 0]
    if not len(rows) or not len(columns):
        return None
    pair = _Pairs(stage, table, frame, rows, columns)
    pair.compare(predicted_xyxy)
    cost = pair.cost()
    if stage.margin:
        pair.vetoes["margin"] = _unclear(cost, stage.margin)
        cost[pair.vetoes["margin"]] = np.inf
    found = assign(cost, stage.limit)
    return StageOutcome(
        rows, columns, cost, pair.terms, pair.vetoes, np.stack(found, 1), stage.limit
    )


def births(table: TrackTable, frame: FrameView, config: BirthConfig) -> NDArray[np.int64]:
    """The columns of free detections that begin a track.

    A box inside one that was just tracked is taken for a second detection of the same body.
    """
    columns = np.flatnonzero(frame.free & (frame.detections.scores >= config.min_score))
    seen = table.boxes_xyxy[table.seen_s == frame.time_s]
    if not len(columns) or not len(seen):
        return columns
    candidates = frame.detections.boxes_xyxy[columns]
    inside = intersections(candidates, seen).max(1)
    return columns[inside <= config.max_cover * areas(candidates)]


def duplicates(table: TrackTable, time_s: float, max_iou: float) -> NDArray[np.bool_]:
    """(M,) tracks that overlap one of more sights too much, of which one is out of sight."""
    doubled = np.zeros(len(table), np.bool_)
    if not np.isfinite(max_iou) or len(table) < 2:
        return doubled
    overlap = iou(table.motion.boxes_xyxy(), table.motion.boxes_xyxy())
    seen = table.seen_s == time_s
    for a, b in np.argwhere(np.triu(overlap > max_iou, 1) & (seen[:, None] != seen[None])):
        doubled[a if table.hits[a] < table.hits[b] else b] = True
    return doubled


class _Pairs:
    """Terms, vetoes and costs of m tracks and n detections."""

    def __init__(
        self,
        stage: StageConfig,
        table: TrackTable,
        frame: FrameView,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
    ) -> None:
        self.stage, self.table, self.frame = stage, table, frame
        self.rows, self.columns = rows, columns
        self.boxes = frame.detections.boxes_xyxy[columns].astype(np.float64)
        self.terms: dict[str, NDArray[np.floating]] = {}
        self.vetoes: dict[str, NDArray[np.bool_]] = {}

    def compare(self, predicted_xyxy: Floats) -> None:
        """Fill in what the stage asks for."""
        stage, table = self.stage, self.table
        places = (predicted_xyxy if stage.place == "predicted" else table.boxes_xyxy)[self.rows]
        a, b = places, self.boxes
        if stage.enlarge:
            a, b = enlarged(a, stage.enlarge), enlarged(b, stage.enlarge)
        overlap = iou(a, b)
        if stage.overlap == "height_iou":
            overlap *= height_overlap(a, b)
        self.terms["overlap"] = overlap
        if stage.min_overlap:
            self.vetoes["min_overlap"] = overlap < stage.min_overlap
        if np.isfinite(stage.max_mahalanobis):
            distance = table.motion.mahalanobis(self.boxes, self.rows)
            self.terms["mahalanobis"] = distance
            self.vetoes["max_mahalanobis"] = distance > stage.max_mahalanobis
        if np.isfinite(stage.max_speed):
            self.vetoes["max_speed"] = ~self._reachable()
        if np.isfinite(stage.max_growth):
            self.vetoes["max_growth"] = ~self._same_size()
        if stage.momentum_weight:
            self.terms["momentum"] = self._momentum()
        if stage.looks:
            self._compare_looks(overlap)

    def cost(self) -> Floats:
        """(m, n), infinity where a veto forbids the pair."""
        stage, overlap = self.stage, self.terms["overlap"]
        if stage.score_weight:
            scores = self.frame.detections.scores[self.columns].astype(np.float64)
            overlap = overlap * (1 - stage.score_weight * (1 - scores))
        cost = 1.0 - overlap
        looks = self.terms.get("appearance")
        if looks is not None:
            known = ~np.isnan(looks)
            if stage.combine == "least":
                cost = np.where(known, np.fmin(cost, looks * stage.appearance_weight), cost)
            else:
                weight = np.where(known, self._weights(looks), 0.0)
                cost = (1 - weight) * cost + weight * np.where(known, looks, 0)
        if stage.momentum_weight:
            cost = cost + stage.momentum_weight * np.nan_to_num(self.terms["momentum"])
        if stage.unseen_weight:
            unseen = self.frame.time_s - self.table.seen_s[self.rows]
            cost = cost + stage.unseen_weight * np.minimum(unseen, 1.0)[:, None]
        for forbidden in self.vetoes.values():
            cost[forbidden] = np.inf
        return np.asarray(cost, np.float64)

    def _compare_looks(self, overlap: Floats) -> None:
        stage, frame = self.stage, self.frame
        allowed = np.ones(overlap.shape, np.bool_)
        for forbidden in self.vetoes.values():
            allowed &= ~forbidden
        looks = np.full(overlap.shape, np.nan)
        have = np.flatnonzero(frame.embedding_of[self.columns] >= 0)
        if frame.embeddings is not None and len(have):
            batch = frame.embeddings[frame.embedding_of[self.columns[have]]]
            looks[:, have] = self.table.gallery.distances(self.rows, batch, allowed[:, have])
        looks[(looks > stage.max_appearance) | (overlap < stage.appearance_overlap)] = np.nan
        self.terms["appearance"] = looks
        if stage.need_appearance:
            self.vetoes["need_appearance"] = np.isnan(looks) & allowed
        if not np.isfinite(min(stage.veto_distance, stage.crowd_veto_distance)):
            return
        ambiguous = (allowed.sum(0) > 1)[None] | (allowed.sum(1) > 1)[:, None]
        ambiguous |= frame.crowded[self.columns][None]
        limit = np.where(ambiguous, stage.crowd_veto_distance, stage.veto_distance)
        self.vetoes["veto_distance"] = looks > limit

    def _weights(self, looks: NDArray[np.floating]) -> Floats | float:
        """Weight of appearance per pair; Deep OC-SORT's (Maggiolino et al., 2023) when adaptive."""
        stage = self.stage
        if not stage.adaptive_weight:
            return stage.appearance_weight
        gain = (_lead(looks, 1) + _lead(looks, 0)) / 2
        return np.clip(stage.appearance_weight + stage.adaptive_weight * gain, 0, 1)

    def _reachable(self) -> NDArray[np.bool_]:
        """(m, n): whether a person could have walked there in the time."""
        old = self.table.boxes_xyxy[self.rows]
        height = np.maximum(old[:, 3] - old[:, 1], 1.0)
        way = (old[:, None, :2] + old[:, None, 2:] - self.boxes[:, :2] - self.boxes[:, 2:]) / 2
        elapsed = self.frame.time_s - self.table.seen_s[self.rows]
        far = (self.stage.max_speed * elapsed * height + height)[:, None]
        return np.asarray(np.hypot(way[..., 0], way[..., 1]) <= far)

    def _same_size(self) -> NDArray[np.bool_]:
        """(m, n): whether the heights differ by less than the allowed factor."""
        old = self.table.boxes_xyxy[self.rows]
        ratio = np.log(
            (self.boxes[:, 3] - self.boxes[:, 1])[None] / (old[:, 3] - old[:, 1])[:, None]
        )
        return np.asarray(np.abs(ratio) <= np.log(self.stage.max_growth))

    def _momentum(self) -> Floats:
        """(m, n) angle between a track's way and the way to the box, 0..1; NaN where unknown.

        Observation-centric momentum, OC-SORT (Cao et al., 2023), over the last 0.4 seconds (and
        at most eight sights).
        """
        way = self.table.directions(0.4)[self.rows]
        old = self.table.boxes_xyxy[self.rows]
        to = (self.boxes[:, :2] + self.boxes[:, 2:] - old[:, None, :2] - old[:, None, 2:]) / 2
        lengths = np.hypot(way[:, 0], way[:, 1])[:, None] * np.hypot(to[..., 0], to[..., 1])
        cosine = (way[:, None] * to).sum(2) / np.maximum(lengths, 1e-9)
        angle = np.arccos(np.clip(cosine, -1, 1)) / np.pi
        return np.where(lengths > 1e-9, angle, np.nan)


def _taking_part(
    stage: StageConfig, table: TrackTable, frame: FrameView, confirm_hits: int
) -> NDArray[np.int64]:
    chosen = (table.seen_s != frame.time_s) & (frame.time_s - table.seen_s <= stage.max_unseen_s)
    if stage.tracks == "confirmed":
        chosen &= table.hits >= confirm_hits
    elif stage.tracks == "tentative":
        chosen &= table.hits < confirm_hits
    return np.flatnonzero(chosen)


def _lead(looks: NDArray[np.floating], axis: int) -> Floats:
    """How much nearer the best candidate along an axis is than the second; 0..1, for all alike."""
    filled = np.where(np.isnan(looks), 1.0, looks)
    if filled.shape[axis] < 2:
        return np.zeros((1, 1))
    two = np.partition(filled, 1, axis=axis)
    lead = np.take(two, [1], axis) - np.take(two, [0], axis)
    return np.asarray(np.clip(lead, 0, 1), np.float64)


def _unclear(cost: Floats, margin: float) -> NDArray[np.bool_]:
    """(m, n): pairs of detections for which the second best track is nearly as good."""
    if len(cost) < 2:
        return np.zeros(cost.shape, np.bool_)
    second = np.partition(cost, 1, axis=0)[1]
    return np.isfinite(cost) & np.isfinite(second) & (cost.min(0) + margin > second)
