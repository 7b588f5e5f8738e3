"""The tracker under a camera that moves: ids, boxes and what has been handed on."""

from __future__ import annotations

import numpy as np
import pytest
from tracker_builders import box

from trackers.boxes import warp_boxes
from trackers.detections import Detections
from trackers.pieces import TrackPiece
from trackers.presets import build_tracker

NONE = np.zeros(0, np.int64)


def found(*boxes: np.ndarray) -> Detections:
    return Detections(np.stack(boxes).astype(np.float32), np.full(len(boxes), 0.9, np.float32))


def shift(dx: float, dy: float = 0.0) -> np.ndarray:
    return np.array([[1, 0, dx], [0, 1, dy]], np.float64)


def jerks(told: bool) -> list[TrackPiece]:
    """Two people side by side; every fifth frame the camera jerks by the gap between them."""
    tracker, pieces, x = build_tracker("crosswalk"), [], 100.0
    for index in range(30):
        jerk = index % 5 == 4
        x += 80.0 if jerk else 0.0
        people = found(box(x), box(x + 80))
        motion = shift(80.0) if told and jerk else None
        pieces += tracker.update(index, index / 10, people, None, NONE, motion)
    return pieces + tracker.close()


def test_a_jerk_of_the_camera_swaps_nobody_if_the_tracker_is_told() -> None:
    rows = [set(piece.detection_rows.tolist()) for piece in jerks(told=True)]
    assert sorted(rows, key=min) == [{0}, {1}]
    untold = [set(piece.detection_rows.tolist()) for piece in jerks(told=False)]
    assert {0, 1} in untold, "without it the jerk hands one person's id to the other"


def test_boxes_that_were_handed_on_stay_where_they_were_seen() -> None:
    for piece in jerks(told=True):
        jumps = np.diff(piece.boxes_xyxy[:, 0])
        assert sorted(set(jumps.tolist())) == [0.0, 80.0]


def test_the_box_of_a_live_track_that_is_not_seen_moves_along() -> None:
    tracker = build_tracker("crosswalk")
    for index in range(4):
        tracker.update(index, index / 10, found(box(100.0)), None, NONE)
    tracker.update(4, 0.4, Detections.empty(), None, NONE, shift(30.0, -10.0))
    (live,) = tracker.live()
    assert not live.observed
    assert live.box_xyxy.dtype == np.float32
    np.testing.assert_allclose(live.box_xyxy, box(130.0, 190.0))


def test_the_motion_of_a_frame_that_is_ignored_is_not_lost() -> None:
    tracker = build_tracker("crosswalk")
    for index in range(4):
        tracker.update(index, index / 10, found(box(100.0)), None, NONE)
    assert tracker.update(4, 0.3, Detections.empty(), None, NONE, shift(200.0)) == []
    tracker.update(5, 0.4, found(box(300.0)), None, NONE)
    (live,) = tracker.live()
    assert live.observed


def test_motion_without_tracks_is_no_error() -> None:
    tracker = build_tracker("crosswalk")
    assert tracker.update(0, 0.0, Detections.empty(), None, NONE, shift(5.0)) == []


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (0, 2), (30, 1), (-20, 0.7)])
def test_warped_boxes_by_hand(degrees: float, scale: float) -> None:
    cos, sin = scale * np.cos(np.deg2rad(degrees)), scale * np.sin(np.deg2rad(degrees))
    affine = np.array([[cos, -sin, 7.0], [sin, cos, -3.0]])
    boxes = np.stack([box(10, 20, 4, 8), box(-50, 90, 30, 70)])
    for old, new in zip(boxes, warp_boxes(boxes, affine), strict=True):
        x, y = (old[0] + old[2]) / 2, (old[1] + old[3]) / 2
        width, height = scale * (old[2] - old[0]), scale * (old[3] - old[1])
        middle = (cos * x - sin * y + 7, sin * x + cos * y - 3)
        assert new == pytest.approx(box(*middle, width, height), abs=1e-4)
    assert warp_boxes(np.zeros((0, 4)), affine).shape == (0, 4)
