"""What trackers of every preset promise for any stream of detections, however broken."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tracker_builders import Drive
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
