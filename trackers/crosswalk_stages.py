"""The four stages of the tracker: which detections belong to which tracks, and which are new.

Each stage looks only at detections that are still free, and decides without changing anything;
`trackers.crosswalk` runs them in order and acts on the answers. Pairs are two (K,) int64 arrays:
positions in the list of tracks, and columns, which are rows of the frame's detections.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trackers.appearance import AppearanceConfig, bank_distances
from trackers.assignment import assign
from trackers.boxes import areas, intersections, iou
from trackers.crosswalk_config import CrosswalkConfig
from trackers.crosswalk_state import FrameView, Track

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def match_confident(
    tracks: Sequence[Track],
    predicted_xyxy: NDArray[np.floating],
    frame: FrameView,
    config: CrosswalkConfig,
) -> Pairs:
    """Stage 1: confident detections against live tracks, by overlap and appearance.

    `predicted_xyxy` is (len(tracks), 4) in pixels. Tracks that were not seen lately come second.
    """
    columns = np.flatnonzero(frame.free & (frame.detections.scores >= config.high_score))
    if not len(columns) or not tracks:
        return _nobody()
    overlap = iou(predicted_xyxy, frame.detections.boxes_xyxy[columns])
    looks = _appearance(tracks, frame, columns, config.appearance)
    near = overlap >= config.min_iou
    ambiguous = (near.sum(0) > 1)[None] | (near.sum(1) > 1)[:, None]
    ambiguous |= frame.crowded[columns][None]
    veto = np.where(ambiguous, config.crowd_veto_distance, config.veto_distance)
    known = ~np.isnan(looks)
    weight = np.where(known, config.appearance_weight, 0.0)
    cost = (1 - weight) * (1 - overlap) + weight * np.nan_to_num(looks)
    cost[~near | (known & (looks > veto))] = np.inf
    lost = np.array([frame.time_s - t.seen_s for t in tracks])[:, None]
    rows, chosen = assign(cost + 0.05 * np.minimum(lost, 1.0), 2.0)
    return rows, columns[chosen]


def match_faint(
    tracks: Sequence[Track],
    waiting: NDArray[np.int64],
    predicted_xyxy: NDArray[np.floating],
    frame: FrameView,
    config: CrosswalkConfig,
) -> Pairs:
    """Stage 2: faint detections against tracks seen within a second, by overlap alone.

    `waiting` are the positions of the tracks without a detection; `predicted_xyxy` is
    (len(tracks), 4) in pixels.
    """
    columns = np.flatnonzero(frame.free & (frame.detections.scores < config.high_score))
    if len(waiting):
        waiting = waiting[[frame.time_s - tracks[r].seen_s < 1.0 for r in waiting]]
    if not len(columns) or not len(waiting):
        return _nobody()
    overlap = iou(predicted_xyxy[waiting], frame.detections.boxes_xyxy[columns])
    rows, chosen = assign(1 - overlap, 1 - config.min_iou_low)
    return waiting[rows], columns[chosen]


def match_lost(
    tracks: Sequence[Track],
    waiting: NDArray[np.int64],
    frame: FrameView,
    config: CrosswalkConfig,
) -> Pairs:
    """Stage 3: confident detections that nothing explains against lost tracks, by appearance.

    There is no overlap gate; a person need only have been able to walk there in the time. A
    detection that looks nearly as much like a second lost track is left alone. `waiting` are the
    positions of the tracks without a detection.
    """
    columns = np.flatnonzero(
        frame.free & (frame.embedding_of >= 0) & (frame.detections.scores >= config.high_score)
    )
    if not len(columns) or not len(waiting):
        return _nobody()
    lost = [tracks[r] for r in waiting]
    cost = _appearance(lost, frame, columns, config.appearance)
    cost[np.isnan(cost)] = np.inf
    cost[~_reachable(lost, frame, columns, config.max_speed)] = np.inf
    if len(waiting) > 1:
        second = np.partition(cost, 1, axis=0)[1]
        unclear = (cost.min(0) + config.lost_margin > second) & np.isfinite(second)
        cost[:, unclear] = np.inf
    rows, chosen = assign(cost, config.lost_distance)
    return waiting[rows], columns[chosen]


def births(tracks: Sequence[Track], frame: FrameView, config: CrosswalkConfig) -> NDArray[np.int64]:
    """Stage 4: the columns of confident detections that begin a track.

    A box inside one that was just tracked is taken for a second detection of the same body.
    """
    columns = np.flatnonzero(frame.free & (frame.detections.scores >= config.birth_score))
    seen = [t.box_xyxy for t in tracks if t.seen_s == frame.time_s]
    if not len(columns) or not seen:
        return columns
    candidates = frame.detections.boxes_xyxy[columns]
    inside = intersections(candidates, np.stack(seen)).max(1)
    return columns[inside <= config.birth_cover * areas(candidates)]


def _appearance(
    tracks: Sequence[Track],
    frame: FrameView,
    columns: NDArray[np.int64],
    config: AppearanceConfig,
) -> NDArray[np.float32]:
    """(tracks, columns) appearance distances, NaN where either side has no embedding."""
    out = np.full((len(tracks), len(columns)), np.nan, np.float32)
    have = np.flatnonzero(frame.embedding_of[columns] >= 0)
    if frame.embeddings is None or not len(have) or not tracks:
        return out
    batch = frame.embeddings[frame.embedding_of[columns[have]]]
    out[:, have] = bank_distances([t.bank for t in tracks], batch, config)
    return out


def _reachable(
    tracks: Sequence[Track], frame: FrameView, columns: NDArray[np.int64], max_speed: float
) -> NDArray[np.bool_]:
    """(tracks, columns): whether a person could have walked there in the time."""
    old = np.stack([t.box_xyxy for t in tracks]).astype(np.float64)
    new = frame.detections.boxes_xyxy[columns].astype(np.float64)
    height = np.maximum(old[:, 3] - old[:, 1], 1.0)
    centre_old, centre_new = (old[:, :2] + old[:, 2:]) / 2, (new[:, :2] + new[:, 2:]) / 2
    distance = np.linalg.norm(centre_old[:, None] - centre_new[None], axis=2)
    elapsed = np.array([frame.time_s - t.seen_s for t in tracks])
    return distance <= (max_speed * elapsed * height + height)[:, None]


def _nobody() -> Pairs:
    return np.zeros(0, np.int64), np.zeros(0, np.int64)
