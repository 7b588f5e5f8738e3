"""Each stage of the tracker alone: whom it matches, whom it leaves, and that it changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest
from tracker_builders import Looks, Sighting, box, embeddings
from trackers.crosswalk_config import CrosswalkConfig
from trackers.crosswalk_stages import Pairs, births, match_confident, match_faint, match_lost
from trackers.crosswalk_state import FrameView, Track

from trackers.detections import Detections

CONFIG = CrosswalkConfig()


def view(sightings: Sequence[Sighting], time_s: float = 1.0, embedded: bool = True) -> FrameView:
    """One frame in which everybody is embedded without noise, or nobody."""
    detections = Detections(
        np.array([s.box_xyxy for s in sightings], np.float32).reshape(-1, 4),
        np.array([s.score for s in sightings], np.float32),
    )
    rows = np.arange(len(sightings) if embedded else 0)
    looks = [Looks.of(sightings[row].person) for row in rows]
    batch = embeddings([(one.whole, one.parts) for one in looks]) if looks else None
    return FrameView.of(int(time_s * 10), time_s, detections, batch, rows, CONFIG)


def track(person: int, x: float, seen_s: float = 0.9) -> Track:
    """A track that was seen once."""
    made = Track(person, box(x), seen_s)
    made.observe(view([Sighting(person, box(x))], seen_s), 0, CONFIG.appearance)
    return made


def boxes(tracks: Sequence[Track]) -> np.ndarray:
    return np.array([t.box_xyxy for t in tracks], np.float64).reshape(-1, 4)


def everybody(tracks: Sequence[Track]) -> np.ndarray:
    return np.arange(len(tracks))


def pairs(found: Pairs) -> list[tuple[int, int]]:
    return sorted(zip(found[0].tolist(), found[1].tolist(), strict=True))


@pytest.mark.parametrize(
    ("sighting", "expected"),
    [
        (Sighting(1, box(105)), [(0, 0)]),
        (Sighting(1, box(105), 0.3), []),  # too faint for this stage
        (Sighting(2, box(105)), []),  # looks like somebody else
        (Sighting(1, box(160)), []),  # no overlap
    ],
)
def test_stage_1_needs_overlap_confidence_and_looks(
    sighting: Sighting, expected: list[tuple[int, int]]
) -> None:
    tracks = [track(1, 100)]
    assert pairs(match_confident(tracks, boxes(tracks), view([sighting]), CONFIG)) == expected


def test_stage_1_goes_by_looks_where_overlap_cannot_tell() -> None:
    tracks = [track(1, 100), track(2, 110)]
    frame = view([Sighting(2, box(104)), Sighting(1, box(106))])
    assert pairs(match_confident(tracks, boxes(tracks), frame, CONFIG)) == [(0, 1), (1, 0)]


def test_stage_1_prefers_the_track_that_was_seen_lately() -> None:
    tracks = [track(1, 100, seen_s=0.2), track(1, 100, seen_s=0.9)]
    frame = view([Sighting(1, box(100))])
    assert pairs(match_confident(tracks, boxes(tracks), frame, CONFIG)) == [(1, 0)]


@pytest.mark.parametrize(
    ("x", "score", "seen_s", "matched"),
    [(102, 0.2, 0.9, True), (102, 0.9, 0.9, False), (125, 0.2, 0.9, False), (102, 0.2, 0.0, False)],
)
def test_stage_2_takes_faint_boxes_near_tracks_seen_within_a_second(
    x: float, score: float, seen_s: float, matched: bool
) -> None:
    tracks = [track(1, 100, seen_s)]
    frame = view([Sighting(2, box(x), score)])
    found = match_faint(tracks, everybody(tracks), boxes(tracks), frame, CONFIG)
    assert pairs(found) == ([(0, 0)] if matched else [])


def test_stage_2_looks_at_waiting_tracks_only() -> None:
    tracks = [track(1, 100), track(2, 104)]
    frame = view([Sighting(1, box(100), 0.2)])
    found = match_faint(tracks, np.array([1]), boxes(tracks), frame, CONFIG)
    assert pairs(found) == [(1, 0)]


@pytest.mark.parametrize(
    ("sighting", "matched"),
    [
        (Sighting(1, box(300)), True),
        (Sighting(2, box(300)), False),
        (Sighting(1, box(3000)), False),  # nobody walks so fast
        (Sighting(1, box(300), 0.3), False),
    ],
)
def test_stage_3_goes_by_looks_and_reach(sighting: Sighting, matched: bool) -> None:
    tracks = [track(3, 500), track(1, 100, seen_s=0.0)]
    found = match_lost(tracks, everybody(tracks), view([sighting]), CONFIG)
    assert pairs(found) == ([(1, 0)] if matched else [])


def test_stage_3_needs_an_embedding_and_a_clear_winner() -> None:
    alone, twins = [track(1, 100)], [track(1, 100), track(1, 150)]
    here = [Sighting(1, box(200))]
    assert pairs(match_lost(alone, everybody(alone), view(here), CONFIG)) == [(0, 0)]
    assert pairs(match_lost(alone, everybody(alone), view(here, embedded=False), CONFIG)) == []
    assert pairs(match_lost(twins, everybody(twins), view(here), CONFIG)) == []


@pytest.mark.parametrize(
    ("sighting", "born"),
    [
        (Sighting(2, box(300)), True),
        (Sighting(2, box(300), 0.45), False),
        (Sighting(2, box(100, 190, 36, 70)), False),  # inside a box that was just tracked
    ],
)
def test_stage_4_begins_tracks(sighting: Sighting, born: bool) -> None:
    tracks = [track(1, 100, seen_s=1.0)]
    assert births(tracks, view([sighting]), CONFIG).tolist() == ([0] if born else [])


def test_a_box_on_a_track_that_is_out_of_sight_is_a_birth() -> None:
    assert births([track(1, 100)], view([Sighting(2, box(100))]), CONFIG).tolist() == [0]


@pytest.mark.parametrize("people", [0, 2])
def test_nothing_is_matched_without_tracks_or_without_free_detections(people: int) -> None:
    frame = view([Sighting(p, box(100 + 100 * p)) for p in range(people)])
    frame.free[:] = False
    for tracks in ([], [track(1, 100)]):
        waiting = everybody(tracks)
        for found in (
            match_confident(tracks, boxes(tracks), frame, CONFIG),
            match_faint(tracks, waiting, boxes(tracks), frame, CONFIG),
            match_lost(tracks, waiting, frame, CONFIG),
        ):
            assert pairs(found) == []
            assert {part.dtype for part in found} == {np.dtype(np.int64)}
        assert births(tracks, frame, CONFIG).tolist() == []


def test_stages_decide_and_change_nothing() -> None:
    tracks = [track(1, 100), track(2, 200)]
    frame = view([Sighting(1, box(104)), Sighting(2, box(204), 0.2), Sighting(3, box(400))])
    before = copy.deepcopy((tracks, frame))
    match_confident(tracks, boxes(tracks), frame, CONFIG)
    match_faint(tracks, everybody(tracks), boxes(tracks), frame, CONFIG)
    match_lost(tracks, everybody(tracks), frame, CONFIG)
    births(tracks, frame, CONFIG)
    assert str((tracks, frame)) == str(before)
