"""What the tracker does with people who walk, cross, vanish and come back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tracker_builders import CONFIDENT, FAINT, LOST, Drive, Sighting, box, three_stages
from tracker_scenes import Make, Scene, assert_pieces_are_sound, crossing, walkers, without

from trackers.detections import Detections
from trackers.pieces import TrackPiece
from trackers.purity import PurityConfig
from trackers.staged_config import EconomyConfig


@pytest.mark.parametrize("fps", [1.0, 5.0, 25.0])
def test_straight_walkers_keep_their_ids(drive: Make, fps: float) -> None:
    run = drive().run(walkers(30, fps, speed=20.0), fps)
    assert [run.ids(p) for p in range(3)] == [{1}, {2}, {3}]
    assert_pieces_are_sound(run.pieces)
    assert all(len(p.frame_indices) == 30 for p in run.pieces)


def test_boxes_are_the_detected_ones(drive: Make) -> None:
    scene = walkers(20, count=1)
    piece = drive().run(scene).pieces[0]
    np.testing.assert_array_equal(piece.boxes_xyxy, np.stack([here[0].box_xyxy for here in scene]))
    np.testing.assert_allclose(piece.times_s, np.arange(20) / 10)


def test_two_people_who_cross_stay_apart(drive: Make) -> None:
    run = drive().run(crossing())
    assert_pieces_are_sound(run.pieces)
    assert all(len(set(run.people(p))) == 1 for p in run.pieces)
    assert len(run.ids(1)) == len(run.ids(2)) == 1
    assert run.ids(1) != run.ids(2)


def test_a_track_that_ran_onto_another_person_is_cut_there() -> None:
    """A swap that motion and overlap cannot see: another person continues the same path."""
    scene = [[Sighting(1 if k < 30 else 2, box(100 + 3 * k))] for k in range(60)]
    purity = PurityConfig(calm_distance=0.5)
    blind = replace(CONFIDENT, veto_distance=2.0, crowd_veto_distance=2.0)
    loose = three_stages(
        stages={"confident": blind, "faint": FAINT, "lost": LOST},
        purity=purity,
        economy=EconomyConfig(every_box=True),
    )
    run = Drive(loose).run(scene)
    assert [set(run.people(p)) for p in run.pieces] == [{1}, {2}]
    assert len({p.track_id for p in run.pieces}) == 2
    assert_pieces_are_sound(run.pieces)


@pytest.mark.parametrize(("back", "same"), [(1, True), (2, False)])
def test_who_reappears_elsewhere_is_told_by_looks(drive: Make, back: int, same: bool) -> None:
    """The stage for the lost has no overlap gate: box and prediction are far apart."""
    scene: Scene = [[Sighting(1, box(100 + 2 * k))] for k in range(20)]
    scene += [[] for _ in range(10)]
    scene += [[Sighting(back, box(320 + 2 * k))] for k in range(20)]
    run = drive().run(scene)
    assert {p.track_id for p in run.pieces} == ({1} if same else {1, 2})
    assert run.ids(back) == ({1} if same else {2})


def test_nobody_moves_faster_than_people_can() -> None:
    scene: Scene = [[Sighting(1, box(100))] for _ in range(20)]
    scene += [[Sighting(1, box(3000))] for _ in range(20)]
    run = Drive(three_stages()).run(scene)
    assert run.ids(1) == {1, 2}


def test_two_lost_people_who_look_alike_are_not_revived_by_guess() -> None:
    scene: Scene = [[Sighting(1, box(100)), Sighting(1, box(100, 420))] for _ in range(20)]
    scene += [[] for _ in range(5)]
    scene += [[Sighting(1, box(240, 310))] for _ in range(10)]
    assert max(p.track_id for p in Drive(three_stages()).run(scene).pieces) == 3


def test_the_lost_are_closed_in_time() -> None:
    run = Drive(three_stages(max_lost_s=1.0))
    for k in range(10):
        run.frame(k, k / 10, [Sighting(1, box(100))])
    for k in range(10, 19):
        run.frame(k, k / 10, [])
        assert run.tracker.live()
    assert run.pieces == []
    run.frame(20, 2.0, [])
    assert run.tracker.live() == []
    assert [len(p.frame_indices) for p in run.pieces] == [10], "the wait is no part of it"


def test_faint_detections_keep_a_track_alive() -> None:
    """In the stage for the faint; they are neither embedded nor start a track."""
    scene = [[Sighting(1, box(100 + 3 * k), 0.9 if k < 10 else 0.2)] for k in range(60)]
    run = Drive(three_stages())
    run.run(scene)
    assert run.ids(1) == {1}
    assert len(run.pieces[0].frame_indices) == 60
    assert run.requested <= 10
    ignored = Drive(three_stages(min_score=0.3)).run(scene)
    assert len(ignored.pieces[0].frame_indices) == 10
    alone = [[Sighting(1, box(100), 0.2)] for _ in range(20)]
    assert Drive(three_stages()).run(alone).pieces == []


def test_a_single_detection_is_a_ghost(drive: Make) -> None:
    run = drive()
    run.frame(0, 0.0, [Sighting(1, box(100))])
    assert run.tracker.live() == []
    for k in range(1, 8):
        run.frame(k, k / 10, [])
    assert run.pieces + run.tracker.close() == []


def test_a_second_box_on_the_same_body_is_no_birth() -> None:
    double = box(100, 190, 36, 70)
    scene: Scene = [[Sighting(1, box(100))] for _ in range(5)]
    scene += [[Sighting(1, box(100)), Sighting(1, double, 0.6)] for _ in range(20)]
    assert {p.track_id for p in Drive(three_stages()).run(scene).pieces} == {1}


def test_ids_are_never_reused() -> None:
    scene: Scene = []
    for person in range(6):
        scene += [[Sighting(person, box(100))] for _ in range(5)]
        scene += [[] for _ in range(30)]
    run = Drive(three_stages()).run(scene)
    assert [p.track_id for p in run.pieces] == [1, 2, 3, 4, 5, 6]
    run.frame(1000, 1000.0, [Sighting(1, box(100))])
    run.frame(1001, 1000.1, [Sighting(1, box(100))])
    assert [p.track_id for p in run.tracker.close()] == [7], "not even after close"


def test_two_trackers_share_nothing(drive: Make) -> None:
    alone = drive().run(walkers(30))
    first, second = drive(), drive()
    for k, (one, other) in enumerate(zip(walkers(30), crossing(30), strict=True)):
        first.frame(k, k / 10, one)
        second.frame(k, k / 10, other)
    first.pieces += first.tracker.close()
    second.pieces += second.tracker.close()
    assert_same(first.pieces, alone.pieces)
    assert min(p.track_id for p in second.pieces) == 1


def test_the_same_input_gives_the_same_output(drive: Make) -> None:
    assert_same(drive().run(crossing()).pieces, drive().run(crossing()).pieces)


def assert_same(a: list[TrackPiece], b: list[TrackPiece]) -> None:
    assert len(a) == len(b) > 0
    for one, other in zip(a, b, strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name))


def test_long_tracks_are_handed_on_in_pieces() -> None:
    """A person who is still in view can be searched for."""
    run = Drive(three_stages(piece_s=30.0))
    for k in range(700):
        run.frame(k, k / 10, [Sighting(1, box(100 + 0.5 * k))])
        if k == 310:
            assert len(run.pieces) == 1
    run.pieces += run.tracker.close()
    assert [(p.track_id, p.piece) for p in run.pieces] == [(1, 0), (1, 1), (1, 2)]
    assert [len(p.frame_indices) for p in run.pieces] == [301, 301, 98]
    assert_pieces_are_sound(run.pieces)


def test_live_shows_confirmed_tracks_and_whether_they_were_seen_now(drive: Make) -> None:
    run = drive()
    for k, here in enumerate(without(walkers(20, count=2), range(19, 20), person=1)):
        run.frame(k, k / 10, here)
    assert [(t.track_id, t.observed) for t in run.tracker.live()] == [(1, True), (2, False)]
    np.testing.assert_array_equal(run.tracker.live()[0].box_xyxy, box(50 + 5 * 19, 100))
    run.tracker.close()
    assert run.tracker.live() == []


def test_it_works_without_any_embeddings(drive: Make) -> None:
    tracker = drive().tracker
    none = np.zeros(0, np.int64)
    for k, here in enumerate(walkers(20)):
        boxes = np.stack([s.box_xyxy for s in here])
        assert tracker.update(k, k / 10, Detections(boxes, np.full(3, 0.9)), None, none) == []
    assert [len(p.frame_indices) for p in tracker.close()] == [20, 20, 20]
