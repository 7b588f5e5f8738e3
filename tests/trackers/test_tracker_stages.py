"""Stages of known numbers: whom they match, whom they leave, and that they change nothing."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from tracker_builders import CONFIDENT, FAINT, LOST, THREE_STAGES, Sighting, box, table_of, view

from trackers.frame_view import FrameView
from trackers.staged_config import StageConfig
from trackers.stages import births, duplicates, match
from trackers.track_table import TrackTable


def pairs(stage: StageConfig, table: TrackTable, frame: FrameView) -> list[tuple[int, int]]:
    """(track's row, detection's column) of the matches; the tracks are where they were seen."""
    found = match(stage, table, table.boxes_xyxy, frame, confirm_hits=2)
    if found is None:
        return []
    return sorted(zip(found.matched_tracks.tolist(), found.matched_columns.tolist(), strict=True))


@pytest.mark.parametrize(
    ("sighting", "expected"),
    [
        (Sighting(1, box(105)), [(0, 0)]),
        (Sighting(1, box(105), 0.3), []),  # too faint for this stage
        (Sighting(2, box(105)), []),  # looks like somebody else
        (Sighting(1, box(160)), []),  # no overlap
    ],
)
def test_confident_needs_overlap_confidence_and_looks(
    sighting: Sighting, expected: list[tuple[int, int]]
) -> None:
    assert pairs(CONFIDENT, table_of((1, 100, 0.9)), view([sighting])) == expected


def test_confident_goes_by_looks_where_overlap_cannot_tell() -> None:
    table = table_of((1, 100, 0.9), (2, 110, 0.9))
    frame = view([Sighting(2, box(104)), Sighting(1, box(106))])
    assert pairs(CONFIDENT, table, frame) == [(0, 1), (1, 0)]


def test_confident_prefers_the_track_that_was_seen_lately() -> None:
    table = table_of((1, 100, 0.2), (1, 100, 0.9))
    assert pairs(CONFIDENT, table, view([Sighting(1, box(100))])) == [(1, 0)]


@pytest.mark.parametrize(
    ("x", "score", "seen_s", "matched"),
    [
        (102, 0.2, 0.9, True),
        (102, 0.9, 0.9, False),
        (125, 0.2, 0.9, False),
        (102, 0.2, -0.1, False),
    ],
)
def test_faint_takes_faint_boxes_near_tracks_seen_within_a_second(
    x: float, score: float, seen_s: float, matched: bool
) -> None:
    frame = view([Sighting(2, box(x), score)])
    assert pairs(FAINT, table_of((1, 100, seen_s)), frame) == ([(0, 0)] if matched else [])


@pytest.mark.parametrize("stage", [CONFIDENT, FAINT, LOST], ids=["confident", "faint", "lost"])
def test_stages_look_at_waiting_tracks_only(stage: StageConfig) -> None:
    """The nearest track was seen in this frame already."""
    table = table_of((1, 100, 1.0), (1, 104, 0.9))
    frame = view([Sighting(1, box(100), 0.2 if stage is FAINT else 0.9)])
    assert pairs(stage, table, frame) == [(1, 0)]


@pytest.mark.parametrize("stage", [CONFIDENT, FAINT, LOST], ids=["confident", "faint", "lost"])
def test_stages_look_at_free_detections_only(stage: StageConfig) -> None:
    score = 0.2 if stage is FAINT else 0.9
    frame = view([Sighting(1, box(100), score), Sighting(1, box(104), score)])
    frame.free[0] = False
    assert pairs(stage, table_of((1, 100, 0.9)), frame) == [(0, 1)]


@pytest.mark.parametrize(
    ("sighting", "matched"),
    [
        (Sighting(1, box(300)), True),
        (Sighting(2, box(300)), False),
        (Sighting(1, box(3000)), False),  # nobody walks so fast
        (Sighting(1, box(300), 0.3), False),
    ],
)
def test_lost_goes_by_looks_and_reach(sighting: Sighting, matched: bool) -> None:
    table = table_of((3, 500, 0.9), (1, 100, 0.0))
    assert pairs(LOST, table, view([sighting])) == ([(1, 0)] if matched else [])


def test_lost_needs_an_embedding_and_a_clear_winner() -> None:
    alone, twins = table_of((1, 100, 0.9)), table_of((1, 100, 0.9), (1, 150, 0.9))
    here = [Sighting(1, box(200))]
    assert pairs(LOST, alone, view(here)) == [(0, 0)]
    assert pairs(LOST, alone, view(here, embedded=False)) == []
    assert pairs(LOST, twins, view(here)) == []


def test_an_unclear_winner_is_named_as_the_reason() -> None:
    twins = table_of((1, 100, 0.9), (1, 150, 0.9))
    found = match(LOST, twins, twins.boxes_xyxy, view([Sighting(1, box(200))]), 2)
    assert found is not None
    assert found.vetoes["margin"].tolist() == [[True], [True]]
    assert np.isinf(found.cost).all()


@pytest.mark.parametrize("crowded", [False, True])
def test_a_crowd_is_told_apart_by_stricter_looks(crowded: bool) -> None:
    """The second box covers half of the first, but is too far from the only track for a match."""
    stage = StageConfig(min_overlap=0.5, crowd_veto_distance=0.3)
    frame = view([Sighting(2, box(95)), Sighting(3, box(75) if crowded else box(400))])
    assert frame.crowded.tolist() == [crowded, crowded]
    assert pairs(stage, table_of((1, 100, 0.9)), frame) == ([] if crowded else [(0, 0)])


@pytest.mark.parametrize(
    ("sighting", "born"),
    [
        (Sighting(2, box(300)), True),
        (Sighting(2, box(300), 0.45), False),
        (Sighting(2, box(100, 190, 36, 70)), False),  # inside a box that was just tracked
    ],
)
def test_births_begin_tracks(sighting: Sighting, born: bool) -> None:
    found = births(table_of((1, 100, 1.0)), view([sighting]), THREE_STAGES.births)
    assert found.tolist() == ([0] if born else [])


def test_a_box_on_a_track_that_is_out_of_sight_is_a_birth() -> None:
    frame = view([Sighting(2, box(100))])
    assert births(table_of((1, 100, 0.9)), frame, THREE_STAGES.births).tolist() == [0]


@pytest.mark.parametrize("people", [0, 2])
def test_nothing_is_matched_without_tracks_or_without_free_detections(people: int) -> None:
    frame = view([Sighting(p, box(100 + 100 * p)) for p in range(people)])
    frame.free[:] = False
    for table in (table_of(), table_of((1, 100, 0.9))):
        for stage in (CONFIDENT, FAINT, LOST):
            assert match(stage, table, table.boxes_xyxy, frame, 2) is None
        assert births(table, frame, THREE_STAGES.births).tolist() == []


def test_nothing_is_matched_without_tracks() -> None:
    table, frame = table_of(), view([Sighting(1, box(100)), Sighting(2, box(200), 0.2)])
    assert all(
        match(stage, table, table.boxes_xyxy, frame, 2) is None
        for stage in (CONFIDENT, FAINT, LOST)
    )
    assert births(table, frame, THREE_STAGES.births).tolist() == [0]


def test_types_of_an_outcome() -> None:
    table = table_of((1, 100, 0.9), (2, 300, 0.9))
    found = match(CONFIDENT, table, table.boxes_xyxy, view([Sighting(1, box(100))]), 2)
    assert found is not None
    for rows in (found.tracks, found.columns, found.matched_tracks, found.matched_columns):
        assert rows.dtype == np.int64
    assert found.pairs.dtype == np.int64
    assert found.pairs.shape == (1, 2)
    assert found.cost.dtype == np.float64
    assert {part.shape for part in (*found.terms.values(), *found.vetoes.values())} == {(2, 1)}


def test_stages_decide_and_change_nothing() -> None:
    table = table_of((1, 100, 0.9), (2, 200, 0.9))
    frame = view([Sighting(1, box(104)), Sighting(2, box(204), 0.2), Sighting(3, box(400))])
    before = pickle.dumps((table, frame))
    for stage in (CONFIDENT, FAINT, LOST):
        match(stage, table, table.boxes_xyxy, frame, 2)
    births(table, frame, THREE_STAGES.births)
    duplicates(table, frame.time_s, 0.5)
    assert pickle.dumps((table, frame)) == before
