"""What the tracker promises for any stream of detections, however broken."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_builders import Drive, Sighting, box
from trackers.crosswalk import CrosswalkConfig, CrosswalkTracker

from trackers.pieces import TrackPiece

some = settings(max_examples=25, deadline=None)
BROKEN = [(np.nan, 0.0, 10.0, 10.0), (50.0, 50.0, 10.0, 10.0), (0.0, 0.0, np.inf, 9.0)]


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[int, float, list[Sighting]]]:
    """(frame, seconds, sightings), eight frames a second, of which some are left out."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people = draw(st.integers(1, 4))
    seen_share = draw(st.sampled_from([0.5, 0.9, 1.0]))
    broken_share = draw(st.sampled_from([0.0, 0.1]))
    start, speed = rng.uniform(50, 600, people), rng.uniform(-15, 15, people)
    frame, time_s = 0, 0.0
    made = []
    for step in range(draw(st.integers(1, 40))):
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


def drive(
    stream: list[tuple[int, float, list[Sighting]]], config: CrosswalkConfig | None = None
) -> Drive:
    """Run a stream to its end."""
    run = Drive(CrosswalkTracker(config), noise=0.2)
    for frame, time_s, sightings in stream:
        run.frame(frame, time_s, sightings)
    run.pieces += run.tracker.close()
    return run


def detections_of(piece: TrackPiece) -> list[tuple[int, int]]:
    pairs = zip(piece.frame_indices.tolist(), piece.detection_rows.tolist(), strict=True)
    return [pair for pair in pairs if pair[1] >= 0]


@some
@given(streams())
def test_a_detection_belongs_to_one_track_at_most(
    stream: list[tuple[int, float, list[Sighting]]],
) -> None:
    used = Counter(pair for piece in drive(stream).pieces for pair in detections_of(piece))
    assert all(times == 1 for times in used.values())


@some
@given(streams())
def test_pieces_are_whole_and_in_order(stream: list[tuple[int, float, list[Sighting]]]) -> None:
    given_boxes = {
        (frame, row): (sighting.box_xyxy, sighting.score, time_s)
        for frame, time_s, sightings in stream
        for row, sighting in enumerate(sightings)
    }
    for piece in drive(stream).pieces:
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


@some
@given(stream=streams(), piece_s=st.sampled_from([0.5, 2.0, 30.0]))
def test_pieces_of_one_track_follow_each_other(
    stream: list[tuple[int, float, list[Sighting]]], piece_s: float
) -> None:
    tracks: defaultdict[int, list[TrackPiece]] = defaultdict(list)
    for piece in drive(stream, CrosswalkConfig(piece_s=piece_s)).pieces:
        tracks[piece.track_id].append(piece)
    for pieces in tracks.values():
        assert [piece.piece for piece in pieces] == list(range(len(pieces)))
        for before, after in pairwise(pieces):
            assert before.frame_indices[-1] < after.frame_indices[0]
            assert before.times_s[-1] < after.times_s[0]


@some
@given(streams())
def test_broken_boxes_are_in_no_track(stream: list[tuple[int, float, list[Sighting]]]) -> None:
    run = drive(stream)
    assert all(99 not in run.people(piece) for piece in run.pieces)


@some
@given(streams())
def test_live_tracks_are_distinct_and_end_with_the_source(
    stream: list[tuple[int, float, list[Sighting]]],
) -> None:
    tracker = CrosswalkTracker()
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


@some
@given(streams())
def test_a_moved_clock_moves_the_times_and_nothing_else(
    stream: list[tuple[int, float, list[Sighting]]],
) -> None:
    """Cameras count seconds since 1970; the tracker may only look at differences."""
    hour = 2.0**20
    plain = drive(stream).pieces
    moved = drive([(frame, time_s + hour, seen) for frame, time_s, seen in stream]).pieces
    assert len(plain) == len(moved)
    for one, other in zip(plain, moved, strict=True):
        assert (one.track_id, one.piece) == (other.track_id, other.piece)
        np.testing.assert_array_equal(one.detection_rows, other.detection_rows)
        np.testing.assert_allclose(one.times_s + hour, other.times_s, atol=1e-6)
