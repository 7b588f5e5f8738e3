"""Which free detections begin tracks, and which tracks are one person twice, by plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from by_hand import area, common, iou_by_hand
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_builders import (
    CONFIDENT,
    THREE_STAGES,
    Drive,
    Sighting,
    box,
    table_of,
    three_stages,
    view,
)

from trackers.staged_config import BirthConfig
from trackers.stages import births, duplicates
from trackers.track_table import TrackTable

SEEDS = st.integers(0, 2**32 - 1)


def crowd(rng: np.random.Generator, count: int) -> list[Sighting]:
    return [
        Sighting(k, box(*rng.uniform(50, 150, 2), *rng.uniform(20, 90, 2)), float(rng.random()))
        for k in range(count)
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    tracks=st.integers(0, 4),
    shown=st.integers(0, 5),
    min_score=st.sampled_from([0.1, 0.5]),
    max_cover=st.sampled_from([0.0, 0.4, 0.9, 1.0]),
)
def test_births_by_hand(
    seed: int, tracks: int, shown: int, min_score: float, max_cover: float
) -> None:
    rng = np.random.default_rng(seed)
    table = TrackTable(THREE_STAGES.motion, THREE_STAGES.appearance)
    old = crowd(rng, tracks)
    times = rng.choice([0.9, 1.0], tracks)
    for sighting, seen_s in zip(old, times, strict=True):
        table.add(view([sighting], float(seen_s)), np.array([0]))
    here = crowd(rng, shown)
    frame = view(here, 1.0)
    frame.free[:] &= rng.random(shown) < 0.8
    expected = []
    for column, sighting in enumerate(here):
        new = sighting.box_xyxy.astype(float).tolist()
        doubled = any(
            common(new, track.box_xyxy.astype(float).tolist()) > max_cover * area(new)
            for track, seen_s in zip(old, times, strict=True)
            if seen_s == 1.0
        )
        if frame.free[column] and sighting.score >= min_score and not doubled:
            expected.append(column)
    assert births(table, frame, BirthConfig(min_score, max_cover)).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, tracks=st.integers(0, 6), max_iou=st.sampled_from([0.1, 0.4, math.inf]))
def test_duplicates_by_hand(seed: int, tracks: int, max_iou: float) -> None:
    """Of two that overlap, one seen now and one not, that of fewer sights; if equal the later."""
    rng = np.random.default_rng(seed)
    table = TrackTable(THREE_STAGES.motion, THREE_STAGES.appearance)
    boxes = [box(*rng.uniform(80, 110, 2)).astype(float) for _ in range(tracks)]
    times = rng.choice([0.9, 1.0], tracks)
    for place, seen_s in zip(boxes, times, strict=True):
        table.add(view([Sighting(1, place)], float(seen_s)), np.array([0]))
    table.hits = rng.integers(1, 4, tracks)
    expected = [False] * tracks
    for a in range(tracks):
        for b in range(a + 1, tracks):
            if iou_by_hand(boxes[a], boxes[b]) > max_iou and times[a] != times[b]:
                expected[a if table.hits[a] < table.hits[b] else b] = True
    found = duplicates(table, 1.0, max_iou)
    assert found.dtype == np.bool_
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (0.9, 1.0, [False, True]),
        (1.0, 0.9, [False, True]),
        (1.0, 1.0, [False, False]),  # two people, both in sight
        (0.9, 0.9, [False, False]),  # two people, both hidden
    ],
)
def test_one_of_two_is_a_duplicate_if_only_one_is_in_sight(
    first: float, second: float, expected: list[bool]
) -> None:
    table = table_of((1, 100, first), (2, 102, second))
    assert duplicates(table, 1.0, 0.8).tolist() == expected


@pytest.mark.parametrize(("duplicate_iou", "left"), [(0.5, 1), (math.inf, 2)])
def test_a_duplicate_is_closed_and_handed_on(duplicate_iou: float, left: int) -> None:
    """Somebody steps in front of a person who was seen more often and is out of sight now."""
    run = Drive(three_stages(stages={"near": CONFIDENT}, duplicate_iou=duplicate_iou))
    for k in range(37):
        here = [Sighting(1, box(100))] if k < 30 else []
        here += [Sighting(2, box(280 - 5 * k))] if k >= 20 else []
        run.frame(k, k / 10, here)
    assert len(run.tracker.live()) == left
    assert [set(run.people(piece)) for piece in run.pieces] == ([] if left == 2 else [{2}])
    assert all(piece.frame_indices[-1] == 34 for piece in run.pieces), "overlap of 30 / 50 pixels"
