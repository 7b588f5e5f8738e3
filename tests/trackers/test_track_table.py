"""What a track remembers of a detection, and how a frame looks to the stages."""

from __future__ import annotations

import numpy as np
import pytest
from tracker_builders import Looks, box, embeddings
from trackers.crosswalk_config import CrosswalkConfig
from trackers.crosswalk_state import FrameView, Track, eligible

from trackers.detections import Detections

CONFIG = CrosswalkConfig()


def view(xs: list[float], embedded: list[int], time_s: float = 1.0) -> FrameView:
    """Confident people side by side, of whom some are embedded."""
    shown = np.array([box(x) for x in xs], np.float32).reshape(-1, 4)
    detections = Detections(shown, np.full(len(xs), 0.9, np.float32))
    looks = [Looks.of(row) for row in embedded]
    batch = embeddings([(one.whole, one.parts) for one in looks]) if looks else None
    return FrameView.of(3, time_s, detections, batch, np.array(embedded, np.int64), CONFIG)


def test_a_view_finds_the_embedding_of_a_detection() -> None:
    frame = view([100, 300, 500], [2, 0])
    assert frame.embedding_of.tolist() == [1, -1, 0]
    assert frame.embedding(1) is None
    for row in (0, 2):
        one = frame.embedding(row)
        assert one is not None
        np.testing.assert_array_equal(one.global_features, Looks.of(row).whole[None])


def test_a_view_without_embeddings() -> None:
    frame = view([100, 300], [])
    assert frame.embedding_of.tolist() == [-1, -1]
    assert frame.embedding(0) is None
    assert frame.free.all()


def test_crowded_are_those_whom_another_covers() -> None:
    assert view([100, 110, 300], []).crowded.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("left", "width", "score", "expected"),
    [
        (10, 40, 0.1, True),
        (10, 40, 0.05, False),
        (10, 40, np.nan, False),
        (10, 0.5, 0.9, False),
        (10, -5, 0.9, False),
        (np.nan, 40, 0.9, False),
        (np.inf, 40, 0.9, False),
    ],
)
def test_only_proper_boxes_that_are_not_too_faint_take_part(
    left: float, width: float, score: float, expected: bool
) -> None:
    shown = np.array([[left, 10, left + width, 90]], np.float32)
    found = eligible(Detections(shown, np.array([score], np.float32)), CONFIG)
    assert found.tolist() == [expected]


def test_a_track_takes_a_detection_as_its_newest_sight() -> None:
    track = Track(7, box(90), 0.5)
    frame = view([300, 100], [1])
    track.observe(frame, 1, CONFIG.appearance)
    assert (track.seen_s, track.embedded_s, track.embeddings, len(track.bank)) == (1.0, 1.0, 1, 1)
    np.testing.assert_array_equal(track.box_xyxy, box(100))
    (seen,) = track.history.observations
    assert (seen.frame_index, seen.time_s, seen.row, seen.crowded) == (3, 1.0, 1, False)
    np.testing.assert_array_equal(seen.feature, Looks.of(1).whole)


def test_a_sight_without_embedding_teaches_nothing_about_looks() -> None:
    track = Track(7, box(90), 0.5)
    track.observe(view([100], []), 0, CONFIG.appearance)
    assert (track.seen_s, track.embedded_s, track.embeddings) == (1.0, -np.inf, 0)
    assert len(track.bank) == 0
    assert track.history.observations[0].feature is None


def test_crowded_crops_enter_an_empty_bank_only() -> None:
    track = Track(7, box(90), 0.5)
    for number in range(1, 4):
        track.observe(view([100, 110], [0], float(number)), 0, CONFIG.appearance)
        assert (len(track.bank), track.embeddings) == (1, number)
    track.observe(view([100], [0], 4.0), 0, CONFIG.appearance)
    assert len(track.bank) == 2
