"""Scenes of people who walk, and what is sound about their pieces."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from tracker_builders import Drive, Sighting, box

from trackers.pieces import TrackPiece

Scene = list[list[Sighting]]
Make = Callable[[], Drive]


def walkers(frames: int, fps: float = 10.0, count: int = 3, speed: float = 50.0) -> Scene:
    """People one below the other who walk to the right at `speed` pixels per second."""
    return [
        [Sighting(p, box(50 + speed * k / fps, 100 + 150 * p)) for p in range(count)]
        for k in range(frames)
    ]


def crossing(frames: int = 60) -> Scene:
    """Two people who walk through each other; the hidden one is not detected meanwhile."""
    scene = []
    for k in range(frames):
        left, right = Sighting(1, box(100 + 6 * k)), Sighting(2, box(460 - 6 * k, 205))
        hidden = abs(left.box_xyxy[0] - right.box_xyxy[0]) < 20
        scene.append([left] if hidden else [left, right])
    return scene


def without(scene: Scene, frames: range, person: int | None = None) -> Scene:
    """The scene with one person (or everybody) undetected in some frames."""
    return [
        [s for s in here if k not in frames or person not in (None, s.person)]
        for k, here in enumerate(scene)
    ]


def assert_pieces_are_sound(pieces: list[TrackPiece]) -> None:
    """Ascending frames, numbered pieces, no box detected twice, no overlap within a track."""
    rows: set[tuple[int, int]] = set()
    for piece in pieces:
        assert (np.diff(piece.frame_indices) == 1).all()
        assert (np.diff(piece.times_s) > 0).all()
        assert np.isfinite(piece.boxes_xyxy).all()
        assert ((piece.scores > 0) == (piece.detection_rows >= 0)).all()
        found = zip(piece.frame_indices.tolist(), piece.detection_rows.tolist(), strict=True)
        for pair in found:
            assert pair[1] < 0 or pair not in rows, "one detection in two pieces"
            rows.add(pair)
    for track_id in {p.track_id for p in pieces}:
        own = [p for p in pieces if p.track_id == track_id]
        assert [p.piece for p in own] == list(range(len(own)))
        assert all(a.times_s[-1] < b.times_s[0] for a, b in pairwise(own))
