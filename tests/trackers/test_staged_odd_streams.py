"""Odd input for every preset: time running back, nobody, gaps, slow cameras, far boxes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracker_builders import Drive, Sighting, box
from tracker_streams import (
    Stream,
    assert_same,
    detections_of,
    drive,
    every_preset,
    some,
    streams,
)

from trackers.pieces import TrackPiece
from trackers.presets import build_tracker


@every_preset
@some
@given(stream=streams(), back_s=st.sampled_from([0.0, 0.125, 50.0]))
def test_time_that_runs_backwards_is_ignored(preset: str, stream: Stream, back_s: float) -> None:
    run = Drive(build_tracker(preset), noise=0.0)
    steady = Drive(build_tracker(preset), noise=0.0)
    for frame, time_s, sightings in stream:
        steady.frame(frame, time_s, sightings)
        run.frame(frame, time_s, sightings)
        live, closed = str(run.tracker.live()), len(run.pieces)
        run.frame(frame + 1, time_s - back_s, [Sighting(9, box(77.0)), Sighting(8, box(300.0))])
        assert (str(run.tracker.live()), len(run.pieces)) == (live, closed)
    assert_same(run.pieces + run.tracker.close(), steady.pieces + steady.tracker.close())


@every_preset
@some
@given(stream=streams())
def test_frames_without_detections_close_everybody_once(preset: str, stream: Stream) -> None:
    """Nobody is invented, and whoever is lost for good is handed on without waiting for the end."""
    run = Drive(build_tracker(preset), noise=0.2)
    for frame, time_s, sightings in stream:
        run.frame(frame, time_s, sightings)
    frame, time_s, _ = stream[-1]
    for step in range(1, 70):
        run.frame(frame + step, time_s + step, [])
    assert run.tracker.live() == []
    assert run.tracker.close() == []
    assert_same_detections(run.pieces, drive(stream, preset).pieces)


def assert_same_detections(one: list[TrackPiece], other: list[TrackPiece]) -> None:
    """In whatever order they were closed, and so numbered where they were cut."""
    a, b = (Counter(tuple(detections_of(p)) for p in pieces) for pieces in (one, other))
    assert a == b


WALK = [[Sighting(p, box(80 + 4 * k, 100 + 200 * p, 60, 140)) for p in range(3)] for k in range(24)]


@every_preset
@pytest.mark.parametrize("hole", range(6, 18, 5))
def test_a_gap_of_one_frame_breaks_no_track(preset: str, hole: int) -> None:
    frames = [[] if k == hole else here for k, here in enumerate(WALK)]
    run = Drive(build_tracker(preset)).run(frames, fps=25.0)
    assert [run.ids(person) for person in range(3)] == [{1}, {2}, {3}]
    assert [len(piece.frame_indices) for piece in run.pieces] == [24, 24, 24]
    assert all(piece.detection_rows[hole] == -1 for piece in run.pieces)


@every_preset
@pytest.mark.parametrize("fps", [1.0, 3.0, 60.0])
def test_slow_and_fast_cameras(preset: str, fps: float) -> None:
    """People who hardly move keep their ids, however rarely they are seen."""
    run = Drive(build_tracker(preset)).run(WALK, fps)
    assert [run.ids(person) for person in range(3)] == [{1}, {2}, {3}]
    assert all(len(piece.frame_indices) == 24 for piece in run.pieces)
    assert all(np.allclose(np.diff(piece.times_s), 1 / fps) for piece in run.pieces)


@every_preset
@some
@given(stream=streams(), x=st.integers(-3000, 3000), y=st.integers(-3000, 3000))
def test_boxes_outside_the_image_are_boxes_like_others(
    preset: str, stream: Stream, x: int, y: int
) -> None:
    """The tracker does not know how large the picture is."""
    way = np.array([x, y, x, y], np.float32)
    inside = [
        (f, t, [Sighting(s.person, np.round(s.box_xyxy), s.score) for s in seen])
        for f, t, seen in stream
    ]
    outside = [
        (f, t, [Sighting(s.person, s.box_xyxy + way, s.score) for s in seen])
        for f, t, seen in inside
    ]
    one, other = drive(inside, preset), drive(outside, preset)
    assert len(one.pieces) == len(other.pieces)
    for a, b in zip(one.pieces, other.pieces, strict=True):
        assert a.track_id == b.track_id
        np.testing.assert_array_equal(a.detection_rows, b.detection_rows)
        np.testing.assert_allclose(a.boxes_xyxy + way, b.boxes_xyxy, atol=1e-2)
