from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.exemplars import ExemplarMemory, average_views, choose_exemplars
from pipeline.journal_records import JournalFrame
from storage.tracklets import Exemplar
from tests.pipeline import fabricate
from trackers.detections import Detections
from trackers.pieces import TrackPiece


def exemplar(quality: float, angle_deg: float, frame_index: int = 0) -> Exemplar:
    """A picture whose feature points in a direction of the plane."""
    angle = np.deg2rad(angle_deg)
    base = fabricate.tracklet(exemplars=1).exemplars[0]
    feature = np.array([np.cos(angle), np.sin(angle)], np.float32)
    return replace(base, quality=quality, global_feature=feature, frame_index=frame_index)


def angles(chosen: tuple[Exemplar, ...]) -> list[int]:
    return [
        round(float(np.rad2deg(np.arctan2(*one.global_feature[::-1].tolist())))) for one in chosen
    ]


def test_the_best_comes_first_then_the_most_different() -> None:
    candidates = [exemplar(0.8, 1), exemplar(0.9, 0), exemplar(0.85, 3), exemplar(0.6, 90)]
    assert angles(choose_exemplars(candidates, most=2)) == [0, 90]


def test_a_poor_picture_is_not_taken_for_being_different() -> None:
    candidates = [exemplar(0.9, 0), exemplar(0.1, 180), exemplar(0.8, 10)]
    assert angles(choose_exemplars(candidates)) == [0, 10]
    assert angles(choose_exemplars(candidates, lowest_share=0.0)) == [0, 180, 10]


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1), (3, 3), (9, 4)])
def test_up_to_four_are_kept(count: int, expected: int) -> None:
    assert len(choose_exemplars([exemplar(0.5, 10 * n) for n in range(count)])) == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 360)), min_size=1, max_size=12))
def test_the_choice_is_the_greedy_one(pairs: list[tuple[float, float]]) -> None:
    candidates = [exemplar(*pair) for pair in pairs]
    chosen = choose_exemplars(candidates, most=3, lowest_share=0.0)
    assert len({id(one) for one in chosen}) == len(chosen) == min(3, len(candidates))
    assert chosen[0].quality == max(one.quality for one in candidates)
    rest = [one for one in candidates if one is not chosen[0]]
    if rest:
        gain = lambda one: one.quality * (1 - one.global_feature @ chosen[0].global_feature)
        assert gain(chosen[1]) == pytest.approx(max(map(gain, rest)), abs=1e-6)


def frame(index: int, people: int = 1, qualities: list[float] | None = None) -> JournalFrame:
    boxes = np.array([[20 * row, 0, 20 * row + 10, 30] for row in range(people)], np.float32)
    return JournalFrame(
        frame_index=index,
        time_s=100 + index / 10,
        offset_s=index / 10,
        detections=Detections(boxes.reshape(-1, 4), np.full(people, 0.9, np.float32)),
        embedded_rows=np.arange(people, dtype=np.int64),
        embeddings=fabricate.embeddings(people, index) if people else None,
        crops_jpeg=tuple(fabricate.jpeg(row) for row in range(people)),
        qualities=np.array(qualities or [0.5] * people, np.float32),
    )


def piece(track_id: int, frames: list[int], row: int = 0) -> TrackPiece:
    count = len(frames)
    return TrackPiece(
        track_id,
        0,
        np.array(frames, np.int64),
        np.array(frames, np.float64) / 10,
        np.zeros((count, 4), np.float32),
        np.ones(count, np.float32),
        np.full(count, row, np.int64),
    )


def test_a_piece_gets_the_pictures_of_its_own_rows() -> None:
    memory = ExemplarMemory()
    for index in range(4):
        memory.add(frame(index, people=2))
        memory.assign(index, {7: 0, 8: 1})
    taken = memory.take(piece(8, [1, 2], row=1))
    assert [one.frame_index for one in taken] == [1, 2]
    assert all(one.box_xyxy[0] == 20 for one in taken)
    assert len(memory.take(piece(7, [0, 1, 2, 3]))) == 4


def test_pictures_taken_before_a_track_was_confirmed_belong_to_it() -> None:
    memory = ExemplarMemory()
    memory.add(frame(0))
    memory.add(frame(1))
    memory.assign(1, {3: 0})
    memory.forget(100.1, {3})
    assert len(memory.take(piece(3, [0, 1]))) == 2


def test_interpolated_rows_have_no_picture() -> None:
    memory = ExemplarMemory()
    memory.add(frame(0))
    assert memory.take(piece(0, [0], row=-1)) == []


def test_a_long_piece_keeps_a_bounded_number_and_the_best_stays() -> None:
    memory = ExemplarMemory(most_per_track=8)
    for index in range(100):
        memory.add(frame(index, qualities=[0.99 if index == 5 else 0.3]))
        memory.assign(index, {0: 0})
        memory.forget(100 + index / 10, {0})
        assert len(memory) <= 8
    taken = memory.take(piece(0, list(range(100))))
    assert len(taken) == 8
    assert max(one.quality for one in taken) == pytest.approx(0.99)


def test_pictures_of_nobody_are_dropped_after_a_while() -> None:
    memory = ExemplarMemory(loose_s=2.0)
    for index in range(100):
        memory.add(frame(index))
        memory.forget(100 + index / 10, set())
        assert len(memory) <= 21


def test_pictures_of_ended_tracks_are_dropped() -> None:
    memory = ExemplarMemory()
    memory.add(frame(0, people=2))
    memory.assign(0, {1: 0, 2: 1})
    memory.forget(100.0, {2})
    assert memory.take(piece(1, [0], row=0)) == []
    assert len(memory.take(piece(2, [0], row=1))) == 1
    memory.add(frame(1))
    memory.clear()
    assert len(memory) == 0


def test_frames_without_embeddings_add_nothing() -> None:
    memory = ExemplarMemory()
    memory.add(frame(0, people=0))
    assert len(memory) == 0


def test_views_are_averaged_apart_and_equal_pictures_do_no_harm() -> None:
    def picture(vector: list[float], quality: float = 1.0) -> Exemplar:
        feature = np.array(vector, np.float32) / np.float32(np.linalg.norm(vector))
        return Exemplar(
            time_s=0.0,
            frame_index=0,
            box_xyxy=np.array([0, 0, 10, 20], np.float32),
            crop_jpeg=b"",
            quality=quality,
            global_feature=feature,
            part_features=feature[None],
            part_visibility=np.ones(1, np.float32),
        )

    front, back = picture([1, 0, 0]), picture([0, 1, 0])
    candidates = [front, back, picture([1, 0, 0.5]), picture([0, 1, 0.5])]
    averaged = average_views([front, back, front], candidates)
    expected = candidates[0].global_feature + candidates[2].global_feature
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(averaged[0].global_feature, expected, atol=1e-6)
    assert averaged[0].global_feature @ averaged[1].global_feature < 0.3
    for one in averaged:
        np.testing.assert_allclose(np.linalg.norm(one.global_feature), 1.0, atol=1e-6)
    assert average_views([], candidates) == []
