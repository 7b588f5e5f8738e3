"""Pieces from observations: interpolated boxes between the detected ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tracker_builders import box

from trackers.history import History, Observation, build_piece


def observation(frame: int, time_s: float, x: float, row: int = 0) -> Observation:
    return Observation(frame, time_s, box(x), 0.5 + frame / 100, row, False, None)


def test_frames_between_detections_are_interpolated() -> None:
    seen = [observation(10, 1.0, 100, 2), observation(11, 1.1, 110, 3), observation(15, 1.5, 150)]
    piece = build_piece(7, 3, seen)
    assert (piece.track_id, piece.piece) == (7, 3)
    assert piece.frame_indices.tolist() == [10, 11, 12, 13, 14, 15]
    np.testing.assert_allclose(piece.times_s, [1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    np.testing.assert_allclose(piece.boxes_xyxy, np.stack([box(x) for x in range(100, 151, 10)]))
    np.testing.assert_allclose(piece.scores, [0.6, 0.61, 0, 0, 0, 0.65])
    assert piece.detection_rows.tolist() == [2, 3, -1, -1, -1, 0]


def test_types_of_a_piece() -> None:
    piece = build_piece(1, 0, [observation(5, 0.5, 50)])
    assert len(piece.frame_indices) == 1
    assert piece.frame_indices.dtype == piece.detection_rows.dtype == np.int64
    assert piece.times_s.dtype == np.float64
    assert piece.boxes_xyxy.dtype == piece.scores.dtype == np.float32


@given(st.sets(st.integers(0, 60), min_size=1))
def test_every_frame_once_and_the_detected_ones_unchanged(frames: set[int]) -> None:
    seen = [observation(f, f / 10, f * f, row=f % 3) for f in sorted(frames)]
    piece = build_piece(1, 0, seen)
    assert piece.frame_indices.tolist() == list(range(min(frames), max(frames) + 1))
    detected = piece.detection_rows >= 0
    assert set(piece.frame_indices[detected].tolist()) == frames
    assert (piece.scores[~detected] == 0).all()
    assert (piece.scores[detected] > 0).all()
    np.testing.assert_array_equal(piece.boxes_xyxy[detected], np.stack([o.box_xyxy for o in seen]))


def test_duration() -> None:
    assert History().duration_s == 0.0
    assert History([observation(3, 0.3, 0)]).duration_s == 0.0
    assert History([observation(3, 0.25, 0), observation(9, 1.5, 0)]).duration_s == 1.25
