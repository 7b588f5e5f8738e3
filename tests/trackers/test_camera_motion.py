"""When a camera counts as moving, what that costs, and that it can be taken up again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from moving_views import START, chain, similarity, view

from trackers.camera_motion import CameraMotion, CameraMotionConfig, MotionState

NOBODY = np.zeros((0, 4))
FPS = 10.0


def path(*parts: tuple[int, float]) -> list[np.ndarray]:
    """Positions of a camera that pans: (frames, pixels per frame) one after the other."""
    places, x = [], 0.0
    for frames, speed in parts:
        for _ in range(frames):
            x += speed
            places.append(chain(similarity(x, 0), START))
    return places


def run(camera: CameraMotion, places: list[np.ndarray], first: int = 0, noise: float = 2.0):
    """The answers for frames from `first` on at 10 per second."""
    return [
        camera.update(view(place, noise=noise, seed=index), index / FPS, NOBODY)
        for index, place in enumerate(places[first:], first)
    ]


def test_a_still_camera_is_still_and_soon_looked_at_once_a_second() -> None:
    camera = CameraMotion()
    answers = run(camera, path((80, 0.0)))
    assert all(answer is None for answer in answers)
    assert camera.failures == 0
    watched, looks_meanwhile, looks_later = 30, 3, 4
    assert camera.compared <= watched + looks_meanwhile + looks_later


def test_a_camera_that_moves_from_the_start_is_followed_from_the_second_frame() -> None:
    answers = run(CameraMotion(), path((12, 3.0)))
    assert answers[0] is None
    for answer in answers[1:]:
        assert answer is not None
        np.testing.assert_allclose(answer, similarity(3, 0), atol=0.35)


def test_motion_is_noticed_within_a_second_and_then_measured_frame_by_frame() -> None:
    camera = CameraMotion()
    answers = run(camera, path((40, 0.0), (25, 2.0)))
    assert all(answer is None for answer in answers[:40])
    assert all(answer is not None for answer in answers[51:])
    for answer in answers[51:]:
        assert answer is not None
        np.testing.assert_allclose(answer[:, 2], [2, 0], atol=0.35)


def test_a_slow_creep_below_the_threshold_per_frame_is_seen_by_the_looks() -> None:
    """0.2 pixels per frame are 2 pixels per second."""
    answers = run(CameraMotion(), path((40, 0.2)), noise=0.0)
    assert all(answer is None for answer in answers[:10])
    total = sum(float(answer[0, 2]) for answer in answers[11:] if answer is not None)
    assert total == pytest.approx(0.2 * 29, abs=1.0)


def test_counts_as_still_again_some_seconds_after_it_stopped() -> None:
    camera = CameraMotion(CameraMotionConfig(hold_s=2.0))
    answers = run(camera, path((10, 2.0), (45, 0.0)))
    assert all(answer is not None for answer in answers[1:25])
    assert all(answer is None for answer in answers[35:])
    before = camera.compared
    run(camera, path((100, 0.0)), first=60)
    assert camera.compared - before <= 45  # the other view is watched at first


def test_a_cut_has_no_answer_and_is_counted() -> None:
    camera = CameraMotion()
    places = path((8, 2.0)) + [similarity(-10, -450)] * 8
    answers = run(camera, places[:9])
    assert answers[7] is not None
    assert answers[8] is None
    assert camera.failures == 1
    run(camera, places, first=9)
    assert camera.failures == 2, "the look across the cut"


def test_black_pictures_are_counted_and_cost_no_watching() -> None:
    camera = CameraMotion()
    black = np.zeros((240, 320, 3), np.uint8)
    answers = [camera.update(black, index / FPS, NOBODY) for index in range(80)]
    assert all(answer is None for answer in answers)
    assert camera.failures == camera.compared <= 38


def test_a_view_that_nothing_explains_is_watched_and_its_motion_found() -> None:
    """A second's motion is too far for the flow, a frame's is not."""
    camera = CameraMotion()
    answers = run(camera, path((40, 0.0), (16, 14.0)))
    assert sum(answer is not None for answer in answers[40:]) >= 4
    assert answers[-1] is not None
    np.testing.assert_allclose(answers[-1][:, 2], [14, 0], atol=0.5)


def test_another_size_and_a_step_back_in_time_begin_anew() -> None:
    camera = CameraMotion()
    run(camera, path((5, 2.0)))
    assert camera.update(view(START, (160, 120)), 0.5, NOBODY) is None
    assert camera.look is not None
    moved = chain(similarity(2, 0), START)
    found = camera.update(view(moved, (160, 120)), 0.6, NOBODY)
    assert found is not None
    assert camera.update(view(moved, (160, 120)), -100.0, NOBODY) is None
    assert camera.failures == 0


def test_rare_frames_are_each_compared_with_the_one_before() -> None:
    """At one frame in two seconds every frame is a look."""
    camera = CameraMotion()
    for index in range(10):
        place = chain(similarity(4.0 * max(index - 5, 0), 0), START)
        answer = camera.update(view(place), 2.0 * index, NOBODY)
        assert (answer is not None) == (index > 5)
        if answer is not None:
            np.testing.assert_allclose(answer, similarity(4, 0), atol=0.35)


def test_a_large_person_who_walks_does_not_move_the_camera() -> None:
    camera, wall = CameraMotion(), view(START)
    for index in range(60):
        picture, left = wall.copy(), 3 * index
        picture[40:240, left : left + 110] = view(similarity(-100, -100))[40:240, 50:160]
        assert camera.update(picture, index / FPS, NOBODY) is None


@dataclass(frozen=True)
class Whole:
    """An undisturbed pass over a camera that stands, moves and stands."""

    pictures: list[np.ndarray]
    answers: list[np.ndarray | None]
    looks: list[MotionState | None]


CONFIG = CameraMotionConfig(hold_s=1.0)


@pytest.fixture(scope="module")
def whole() -> Whole:
    places = path((15, 0.0), (8, 2.0), (25, 0.0))
    pictures = [view(place, noise=2.0, seed=index) for index, place in enumerate(places)]
    camera, answers, looks = CameraMotion(CONFIG), [], []
    for index, picture in enumerate(pictures):
        answers.append(camera.update(picture, index / FPS, NOBODY))
        looks.append(camera.look)
    assert 8 <= sum(answer is not None for answer in answers) < 30
    return Whole(pictures, answers, looks)


@pytest.mark.parametrize("kept", [1, 9, 17, 20, 25, 31, 40])
def test_taken_up_from_the_last_look_it_answers_the_same(whole: Whole, kept: int) -> None:
    start = max(index for index in range(kept) if whole.looks[index] is not None)
    assert kept - start <= FPS + 1
    state = whole.looks[start]
    assert state is not None
    again = CameraMotion(CONFIG)
    again.resume(whole.pictures[start], start / FPS, NOBODY, state)
    for index in range(start + 1, len(whole.pictures)):
        expected = whole.answers[index]
        answer = again.update(whole.pictures[index], index / FPS, NOBODY)
        assert (answer is None) == (expected is None), index
        if answer is not None:
            np.testing.assert_array_equal(answer, expected)
