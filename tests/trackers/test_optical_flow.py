"""The estimate between two pictures against motions that are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from moving_views import START, chain, similarity, view

from trackers.optical_flow import FlowConfig, cell_shares, mean_shift, reduce, view_change

NOBODY = np.zeros((0, 4))
CONFIG = FlowConfig()
WH = (320, 240)


def change(first: np.ndarray, second: np.ndarray, boxes: np.ndarray = NOBODY):
    return view_change(reduce(first, boxes, CONFIG), reduce(second, NOBODY, CONFIG), CONFIG)


def worst_error(found: np.ndarray, truth: np.ndarray, size_wh: tuple[int, int] = WH) -> float:
    """Largest distance in pixels between where two affines put the corners of the picture."""
    width, height = size_wh
    worst = 0.0
    for x, y in [(0, 0), (width, 0), (0, height), (width, height)]:
        ax = found[0, 0] * x + found[0, 1] * y + found[0, 2]
        ay = found[1, 0] * x + found[1, 1] * y + found[1, 2]
        bx = truth[0, 0] * x + truth[0, 1] * y + truth[0, 2]
        by = truth[1, 0] * x + truth[1, 1] * y + truth[1, 2]
        worst = max(worst, float(np.hypot(ax - bx, ay - by)))
    return worst


def about_middle(degrees: float, scale: float) -> np.ndarray:
    return chain(
        similarity(160, 120), chain(similarity(0, 0, degrees, scale), similarity(-160, -120))
    )


@pytest.mark.parametrize(
    "motion",
    [
        similarity(0, 0),
        similarity(1.5, 0),
        similarity(-7.3, 4.1),
        similarity(25, -18),
        about_middle(3, 1),
        about_middle(-1, 1.05),
        about_middle(0, 0.93),
        chain(similarity(6, 2), about_middle(2, 1.03)),
    ],
    ids=["still", "creep", "pan", "fast", "roll", "zoom in", "zoom out", "all"],
)
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_finds_a_known_motion_to_a_fraction_of_a_pixel(motion: np.ndarray, noise: float) -> None:
    first = view(START, noise=noise, seed=1)
    second = view(chain(motion, START), noise=noise, seed=2)
    found = change(first, second)
    assert found.affine is not None
    assert found.affine.shape == (2, 3)
    assert found.affine.dtype == np.float64
    assert worst_error(found.affine, motion) < (0.35 if noise else 0.2)
    turn = found.affine[:, :2]
    np.testing.assert_allclose(turn @ turn.T, np.linalg.det(turn) * np.eye(2), atol=1e-9)
    assert found.moved <= mean_shift(found.affine, WH) + 1e-12


@pytest.mark.parametrize("size_wh", [(321, 243), (640, 480), (799, 601)])
def test_is_in_pixels_of_the_full_picture_whatever_its_size(size_wh: tuple[int, int]) -> None:
    start, motion = similarity(-50, -40), similarity(5.5, -3.25)
    found = change(view(start, size_wh), view(chain(motion, start), size_wh))
    assert found.affine is not None
    assert worst_error(found.affine, motion, size_wh) < 0.25


def test_a_large_person_is_no_camera_motion_masked_or_not() -> None:
    """A third of the picture walks; unmasked, the majority still decides."""
    first = view(START)
    second = first.copy()
    walker = first[20:240, 100:210]
    second[20:240, 112:222] = walker
    for boxes in (NOBODY, np.array([[100.0, 20, 210, 240]])):
        found = change(first, second, boxes)
        assert found.affine is not None
        assert worst_error(found.affine, similarity()) < 0.2
        assert found.moved < 0.2


@pytest.mark.parametrize(
    ("size_wh", "small_wh"),
    [
        ((160, 120), (160, 120)),
        ((480, 360), (320, 240)),
        ((640, 480), (320, 240)),
        ((600, 800), (300, 400)),
        ((1920, 1080), (480, 270)),
        ((3000, 20), (480, 3)),
        ((5000, 1), (480, 1)),
    ],
)
def test_pictures_are_halved_within_limits(
    size_wh: tuple[int, int], small_wh: tuple[int, int]
) -> None:
    small = reduce(np.zeros((size_wh[1], size_wh[0], 3), np.uint8), NOBODY, CONFIG)
    assert small.grey.shape == small_wh[::-1]
    np.testing.assert_allclose(small.scale_xy * small_wh, size_wh)


def test_boxes_are_left_out() -> None:
    """Two thirds walk: without the boxes there is no majority for the wall behind."""
    first = view(START)
    second = first.copy()
    second[:, 108:320] = first[:, 100:312]
    masked = change(first, second, np.array([[100.0, 0, 320, 240]]))
    assert masked.affine is not None
    assert worst_error(masked.affine, similarity()) < 0.3
    fooled = change(first, second)
    assert fooled.affine is None or worst_error(fooled.affine, similarity()) > 2


def test_broken_boxes_do_no_harm() -> None:
    boxes = np.array(
        [[np.nan, 0, 50, 50], [-500, -500, -400, -400], [60, 60, 10, 10], [0, 0, 9e9, 1]]
    )
    found = change(view(START), view(chain(similarity(4, 0), START)), boxes)
    assert found.affine is not None
    assert worst_error(found.affine, similarity(4, 0)) < 0.3


@pytest.mark.parametrize(
    "second",
    [np.zeros((240, 320, 3), np.uint8), view(similarity(-10, -450)), view(START)[::-1].copy()],
    ids=["black", "cut", "upside down"],
)
def test_unusable_pairs_have_no_answer(second: np.ndarray) -> None:
    for pair in ((view(START), second), (second, view(START))):
        found = change(*pair)
        assert found.affine is None
        assert found.moved == 0.0


def test_independent_noise_has_no_answer() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 256, (240, 320, 3), np.uint8) for _ in range(2))
    assert change(first, second).affine is None


def test_a_person_who_fills_the_picture_leaves_nothing_to_follow() -> None:
    everywhere = np.array([[0.0, 0, 320, 240]])
    found = change(view(START), view(START), everywhere)
    assert found.affine is None
    assert found.followed == 0


def test_the_same_pictures_give_the_same_bits_whatever_the_random_state() -> None:
    first, second = view(START, noise=6, seed=3), view(chain(similarity(3, 2), START), noise=6)
    answers = set()
    for seed in range(5):
        cv2.setRNGSeed(seed)
        found = change(first, second)
        assert found.affine is not None
        answers.add(found.affine.tobytes())
    assert len(answers) == 1


def test_cell_shares_count_a_crowded_cell_once() -> None:
    points = np.array([[1.0, 1.0]] * 30 + [[39.9, 1.0], [1.0, 29.0], [40.0, 30.0]])
    agree = np.array([False] * 30 + [True, True, False])
    assert cell_shares(points, agree, (40, 30)).tolist() == [0.0, 1.0, 1.0, 0.0]
    assert cell_shares(points[:1], agree[-2:-1], (40, 30)).tolist() == [1.0]


def test_mean_shift_by_hand() -> None:
    assert mean_shift(similarity(3, 4), (100, 50)) == pytest.approx(5.0)
    distances = [0.1 * float(np.hypot(x, y)) for x in (0.0, 50.0, 100.0) for y in (0.0, 25.0, 50.0)]
    assert mean_shift(similarity(scale=1.1), (100, 50)) == pytest.approx(sum(distances) / 9)
