"""How a frame looks to the stages of a tracker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tracker_builders import THREE_STAGES, Looks, Sighting, box, view

from trackers.detections import Detections
from trackers.frame_view import FrameView, eligible


def people(*xs: float, score: float = 0.9) -> list[Sighting]:
    """Side by side."""
    return [Sighting(number, box(x), score) for number, x in enumerate(xs)]


def test_a_view_finds_the_embedding_of_a_detection() -> None:
    frame = view(people(100, 300, 500), 1.0, [2, 0])
    assert frame.embedding_of.tolist() == [1, -1, 0]
    assert frame.embeddings is not None
    for row in (0, 2):
        one = frame.embeddings[frame.embedding_of[[row]]]
        np.testing.assert_array_equal(one.global_features, Looks.of(row).whole[None])


def test_a_view_without_embeddings() -> None:
    frame = view(people(100, 300), 1.0, False)
    assert frame.embedding_of.tolist() == [-1, -1]
    assert frame.embeddings is None
    assert frame.free.all()


def test_a_view_of_nobody() -> None:
    frame = view([])
    assert frame.embedding_of.shape == frame.crowded.shape == frame.free.shape == (0,)
    assert (frame.embedding_of.dtype, frame.crowded.dtype) == (np.int64, np.bool_)


def test_crowded_are_those_whom_another_covers() -> None:
    assert view(people(100, 110, 300)).crowded.tolist() == [True, True, False]


def test_faint_boxes_make_no_crowd() -> None:
    here = [Sighting(1, box(100), 0.9), Sighting(2, box(110), 0.3)]
    assert view(here).crowded.tolist() == [False, False]
    eager = replace(THREE_STAGES, economy=replace(THREE_STAGES.economy, min_score=0.3))
    assert view(here, config=eager).crowded.tolist() == [True, True]


@pytest.mark.parametrize(("cover", "crowded"), [(0.49, True), (0.51, False)])
def test_how_much_cover_makes_a_crowd(cover: float, crowded: bool) -> None:
    """Boxes 40 wide, 20 apart: half of each is covered."""
    economy = replace(THREE_STAGES.economy, crowd_cover=cover)
    frame = view(people(100, 120), config=replace(THREE_STAGES, economy=economy))
    assert frame.crowded.tolist() == [crowded, crowded]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize(
    "wrong", [(0, 0, np.inf, 900), (0, np.nan, 900, 900), (-np.inf, 0, 900, 900)]
)
def test_what_is_no_box_crowds_nobody(wrong: tuple[float, ...]) -> None:
    frame = view([*people(100, 300), Sighting(9, np.array(wrong, np.float32))])
    assert frame.crowded[:2].tolist() == [False, False]
    assert frame.free.tolist() == [True, True, False]


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
    found = Detections(shown, np.array([score], np.float32))
    assert eligible(found, THREE_STAGES).tolist() == [expected]
    frame = FrameView.of(0, 0.0, found, None, np.zeros(0, np.int64), THREE_STAGES)
    assert frame.free.tolist() == [expected]
