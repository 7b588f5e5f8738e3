"""What trackers of every preset promise for any stream of detections, however broken."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_builders import EVERY_PRESET, Drive, Sighting, box

from trackers.pieces import TrackPiece
from trackers.presets import build_tracker

some = settings(max_examples=5, deadline=None)
every_preset = pytest.mark.parametrize("preset", EVERY_PRESET)
Stream = list[tuple[int, float, list[Sighting]]]
BROKEN = [(np.nan, 0.0, 10.0, 10.0), (50.0, 50.0, 10.0, 10.0), (0.0, 0.0, np.inf, 9.0)]


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """(frame, seconds, sightings), eight frames a second, of which some are left out."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people = draw(st.integers(1, 4))
    seen_share = draw(st.sampled_from([0.5, 0.9, 1.0]))
    broken_share = draw(st.sampled_from([0.0, 0.1]))
    start, speed = rng.uniform(50, 600, people), rng.uniform(-15, 15, people)
    frame, time_s = 0, 0.0
    made = []
    for step in range(draw(st.integers(1, 25))):
        sightings = [
            Sighting(who, box(start[who] + speed[who] * step), float(rng.uniform(0.05, 1)))
            for who in rng.permutation(people).tolist()
            if rng.random() < seen_share
        ]
        if rng.random() < broken_share:
            wrong = np.array(BROKEN[int(rng.integers(len(BROKEN)))], np.float32)
            sightings.insert(0, Sighting(99, wrong))
        made.append((frame, time_s, sightings))
        pause = int(rng.integers(1, 4)) if rng.random() < 0.9 else int(rng.integers(10, 60))
        frame, time_s = frame + pause, time_s + pause / 8
    return made


def drive(stream: Stream, preset: str, overrides: dict[str, Any] | None = None) -> Drive:
    """Run a stream to its end."""
    run = Drive(build_tracker(preset, overrides), noise=0.2)
    for frame, time_s, sightings in stream:
        run.frame(frame, time_s, sightings)
    run.pieces += run.tracker.close()
    return run


def detections_of(piece: TrackPiece) -> list[tuple[int, int]]:
    pairs = zip(piece.frame_indices.tolist(), piece.detection_rows.tolist(), strict=True)
    return [pair for pair in pairs if pair[1] >= 0]


def assert_same(one: list[TrackPiece], other: list[TrackPiece], hours: float = 0.0) -> None:
    """The same pieces, but for the clock."""
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.track_id, a.piece) == (b.track_id, b.piece)
        np.testing.assert_array_equal(a.frame_indices, b.frame_indices)
        np.testing.assert_array_equal(a.detection_rows, b.detection_rows)
        np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)
        np.testing.assert_allclose(a.times_s + hours, b.times_s, atol=1e-6)


@every_preset
@some
@given(stream=streams())
def test_a_detection_belongs_to_one_track_at_most(preset: str, stream: Stream) -> None:
    used = Counter(pair for piece in drive(stream, preset).pieces for pair in detections_of(piece))
    assert all(times == 1 for times in used.values())


@every_preset
@some
@given(stream=streams())
def test_pieces_are_whole_and_in_order(preset: str, stream: Stream) -> None:
    given_boxes = {
        (frame, row): (sighting.box_xyxy, sighting.score, time_s)
        for frame, time_s, sightings in stream
        for row, sighting in enumerate(sightings)
    }
    for piece in drive(stream, preset).pieces:
        count = len(piece.frame_indices)
        assert count == len(piece.times_s) == len(piece.boxes_xyxy) == len(piece.scores)
        assert (np.diff(piece.frame_indices) == 1).all(), "every frame between is filled in"
        assert (np.diff(piece.times_s) > 0).all()
        assert np.isfinite(piece.boxes_xyxy).all()
        assert piece.detection_rows[0] >= 0, "a piece begins and ends with a detection"
        assert piece.detection_rows[-1] >= 0
        assert ((piece.scores > 0) == (piece.detection_rows >= 0)).all()
        places = np.flatnonzero(piece.detection_rows >= 0)
        for place, key in zip(places.tolist(), detections_of(piece), strict=True):
            expected, score, time_s = given_boxes[key]
            np.testing.assert_array_equal(piece.boxes_xyxy[place], expected)
            assert piece.scores[place] == np.float32(score)
            assert abs(piece.times_s[place] - time_s) < 1e-9


@every_preset
@some
@given(stream=streams(), piece_s=st.sampled_from([0.5, 2.0, 30.0]))
def test_pieces_of_one_track_follow_each_other(preset: str, stream: Stream, piece_s: float) -> None:
    tracks: defaultdict[int, list[TrackPiece]] = defaultdict(list)
    for piece in drive(stream, preset, {"piece_s": piece_s}).pieces:
        tracks[piece.track_id].append(piece)
    for pieces in tracks.values():
        assert [piece.piece for piece in pieces] == list(range(len(pieces)))
        for before, after in pairwise(pieces):
            assert before.frame_indices[-1] < after.frame_indices[0]
            assert before.times_s[-1] < after.times_s[0]


@every_preset
@some
@given(stream=streams())
def test_broken_boxes_are_in_no_track_and_change_nothing(preset: str, stream: Stream) -> None:
    run = drive(stream, preset)
    assert all(99 not in run.people(piece) for piece in run.pieces)
    proper = [(f, t, [s for s in seen if s.person != 99]) for f, t, seen in stream]
    clean = drive(proper, preset)
    assert [run.people(piece) for piece in run.pieces] == [
        clean.people(piece) for piece in clean.pieces
    ]


@every_preset
@some
@given(stream=streams())
def test_live_tracks_are_distinct_and_end_with_the_source(preset: str, stream: Stream) -> None:
    tracker = build_tracker(preset)
    run = Drive(tracker)
    for frame, time_s, sightings in stream:
        run.frame(frame, time_s, sightings)
        ids = [track.track_id for track in tracker.live()]
        assert len(set(ids)) == len(ids)
        seen = [tuple(track.box_xyxy.tolist()) for track in tracker.live() if track.observed]
        given_boxes = {tuple(sighting.box_xyxy.tolist()) for sighting in sightings}
        assert set(seen) <= given_boxes
        assert len(seen) <= len(sightings)
    closed = tracker.close()
    assert tracker.live() == []
    assert tracker.close() == []
    assert all(len(piece.frame_indices) for piece in closed)


@every_preset
@some
@given(stream=streams())
def test_a_moved_clock_moves_the_times_and_nothing_else(preset: str, stream: Stream) -> None:
    """Cameras count seconds since 1970; the tracker may only look at differences."""
    hours = 2.0**20
    moved = [(frame, time_s + hours, seen) for frame, time_s, seen in stream]
    assert_same(drive(stream, preset).pieces, drive(moved, preset).pieces, hours)


@every_preset
@some
@given(stream=streams())
def test_the_same_input_gives_the_same_output(preset: str, stream: Stream) -> None:
    assert_same(drive(stream, preset).pieces, drive(stream, preset).pieces)


@every_preset
@some
@given(first=streams(), second=streams())
def test_two_instances_share_nothing(preset: str, first: Stream, second: Stream) -> None:
    """Frames of two cameras by turns give what each camera gives alone."""
    runs = [Drive(build_tracker(preset), noise=0.2) for _ in range(2)]
    for step in range(max(len(first), len(second))):
        for run, stream in zip(runs, (first, second), strict=True):
            for frame, time_s, sightings in stream[step : step + 1]:
                run.frame(frame, time_s, sightings)
    for run, stream in zip(runs, (first, second), strict=True):
        run.pieces += run.tracker.close()
        assert_same(run.pieces, drive(stream, preset).pieces)


@every_preset
@some
@given(first=streams(), second=streams())
def test_ids_are_never_reused(preset: str, first: Stream, second: Stream) -> None:
    """Not even after the source was closed and another one opened."""
    run = drive(first, preset)
    before = {piece.track_id for piece in run.pieces}
    live: set[int] = set()
    for frame, time_s, sightings in second:
        run.frame(10_000 + frame, 10_000 + time_s, sightings)
        live |= {track.track_id for track in run.tracker.live()}
    assert not before & (live | {piece.track_id for piece in run.tracker.close()})


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
