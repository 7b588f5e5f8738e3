"""What the tracker does with gaps, empty frames, odd times and boxes that are none."""

from __future__ import annotations

import numpy as np
import pytest
from tracker_builders import Sighting, box
from tracker_scenes import Make, assert_pieces_are_sound, walkers, without

from trackers.detections import Detections


@pytest.mark.parametrize("gap", [1, 3])
def test_gaps_of_a_few_frames(drive: Make, gap: int) -> None:
    scene = without(walkers(40), range(15, 15 + gap))
    run = drive().run(scene)
    assert [run.ids(p) for p in range(3)] == [{1}, {2}, {3}]
    piece = run.pieces[0]
    assert len(piece.frame_indices) == 40
    assert piece.detection_rows[15 : 15 + gap].tolist() == [-1] * gap
    np.testing.assert_allclose(piece.boxes_xyxy[15], box(50 + 5 * 15, 100), atol=1e-3)


def test_frames_without_anybody(drive: Make) -> None:
    run = drive().run([[] for _ in range(20)])
    assert run.pieces == []
    assert run.tracker.live() == []
    assert run.tracker.embedding_requests(3.0, Detections.empty()).shape == (0,)


def test_time_that_does_not_advance_is_ignored(drive: Make) -> None:
    run = drive()
    for k in range(10):
        run.frame(k, k / 10, [Sighting(1, box(100 + k))])
    before = run.tracker.live()
    run.frame(10, 0.9, [Sighting(2, box(500))])
    run.frame(11, 0.2, [Sighting(2, box(500))])
    assert str(run.tracker.live()) == str(before)
    run.frame(12, 1.0, [Sighting(1, box(110))])
    run.pieces += run.tracker.close()
    assert run.ids(1) == {1}
    assert run.ids(2) == set()
    assert_pieces_are_sound(run.pieces)


@pytest.mark.parametrize("time_s", [np.nan, np.inf, -np.inf])
def test_a_time_that_is_none_is_ignored(drive: Make, time_s: float) -> None:
    run, steady = drive(), drive()
    for k, here in enumerate(walkers(20)):
        for each in (run, steady):
            each.frame(k, k / 10, here)
        assert not run.frame(k, time_s, here).any(), "nothing is embedded for it"
    assert run.ids(1) == steady.ids(1)
    assert str(run.pieces + run.tracker.close()) == str(steady.pieces + steady.tracker.close())


def test_boxes_outside_the_picture_are_followed(drive: Make) -> None:
    scene = [[Sighting(1, box(-200 + 5 * k, -80))] for k in range(40)]
    assert drive().run(scene).ids(1) == {1}


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_boxes_that_are_no_boxes_are_ignored(drive: Make, bad: float) -> None:
    scene = walkers(30, count=2)
    broken = [
        [*here, Sighting(9, np.array([10, bad, 50, 90], np.float32)), Sighting(9, box(9, 9, -5))]
        for here in scene
    ]
    run = drive().run(broken)
    assert [run.ids(p) for p in (0, 1, 9)] == [{1}, {2}, set()]
    assert_pieces_are_sound(run.pieces)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_broken_score_is_no_detection(drive: Make) -> None:
    scene = [[*here, Sighting(9, box(900), np.nan)] for here in walkers(10, count=1)]
    assert drive().run(scene).ids(9) == set()
