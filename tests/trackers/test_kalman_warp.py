"""The box filter under a camera that moves: filters are warped with the view."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kalman_filters import ROW, one, walked
from tracker_builders import box

from trackers.kalman import KalmanBoxes, MotionConfig


def moved(dx: float = 0, dy: float = 0, degrees: float = 0, scale: float = 1) -> np.ndarray:
    """(2, 3): turn and scale about the origin, then shift."""
    cos, sin = scale * np.cos(np.deg2rad(degrees)), scale * np.sin(np.deg2rad(degrees))
    return np.array([[cos, -sin, dx], [sin, cos, dy]])


def crowd(seed: int, count: int) -> KalmanBoxes:
    """Filters of people who walk in all directions, followed for a few frames."""
    rng = np.random.default_rng(seed)
    filters = KalmanBoxes(MotionConfig())
    filters.add(np.stack([box(*rng.uniform(0, 500, 2)) for _ in range(count)]), np.full(count, 0.7))
    for _ in range(4):
        filters.predict(0.1)
        boxes = filters.boxes_xyxy() + rng.normal(0, 5, (count, 4))
        filters.update(np.arange(count), boxes, rng.uniform(0.3, 1, count))
    return filters


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shift=st.tuples(st.floats(-200, 200), st.floats(-200, 200)),
    degrees=st.floats(-180, 180),
    scale=st.floats(0.5, 2),
)
def test_warp_by_hand(seed: int, shift: tuple[float, float], degrees: float, scale: float) -> None:
    """Against the full state (x, y, rates and sizes) moved by one matrix per track."""
    filters, affine = crowd(seed, 3), moved(*shift, degrees, scale)
    mean, covariance = filters.mean.copy(), filters.covariance.copy()
    filters.warp(affine)
    for track in range(3):
        for row in range(2):
            for rate in range(2):
                expected = sum(affine[row, k] * mean[track, k, rate] for k in range(2))
                expected += affine[row, 2] if rate == 0 else 0
                assert filters.mean[track, row, rate] == pytest.approx(expected, abs=1e-9)
        full = np.zeros((4, 4))  # x, vx, y, vy
        full[:2, :2], full[2:, 2:] = covariance[track, 0], covariance[track, 1]
        turn = np.zeros((4, 4))
        for row in range(2):
            for column in range(2):
                turn[2 * row, 2 * column] = turn[2 * row + 1, 2 * column + 1] = affine[row, column]
        after = turn @ full @ turn.T
        np.testing.assert_allclose(filters.covariance[track, 0], after[:2, :2], atol=1e-8)
        np.testing.assert_allclose(filters.covariance[track, 1], after[2:, 2:], atol=1e-8)
        np.testing.assert_allclose(after[:2, 2:], 0, atol=1e-8)  # nothing that is not kept
        for k in (2, 3):
            np.testing.assert_allclose(filters.mean[track, k], scale * mean[track, k])
            np.testing.assert_allclose(
                filters.covariance[track, k], scale**2 * covariance[track, k]
            )


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shift=st.tuples(st.floats(-200, 200), st.floats(-200, 200)),
    degrees=st.floats(-180, 180),
    scale=st.floats(0.5, 2),
)
def test_a_warp_by_the_inverse_undoes_it(
    seed: int, shift: tuple[float, float], degrees: float, scale: float
) -> None:
    filters, affine = crowd(seed, 4), moved(*shift, degrees, scale)
    mean, covariance = filters.mean.copy(), filters.covariance.copy()
    filters.warp(affine)
    filters.warp(np.linalg.inv(np.vstack([affine, [0, 0, 1]]))[:2])
    np.testing.assert_allclose(filters.mean, mean, atol=1e-8)
    np.testing.assert_allclose(filters.covariance, covariance, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("walk", [0.0, 40.0])
def test_under_a_panning_camera_only_the_walk_is_speed(walk: float) -> None:
    """The view moves by 8 pixels per frame, more than the person; the filter sees the rest."""
    filters, x = one(100.0), 100.0
    for _ in range(60):
        x += 8.0 + 0.1 * walk
        filters.warp(moved(8.0))
        filters.predict(0.1)
        filters.update(ROW, box(x)[None], np.array([0.9]))
    assert filters.mean[0, 0, 1] == pytest.approx(walk, abs=0.5)
    assert filters.mean[0, 0, 0] == pytest.approx(x, abs=1.0)


def test_a_zoom_makes_people_larger_and_their_steps_longer() -> None:
    filters = walked(speed=50.0)
    before = filters.mean.copy()
    filters.warp(moved(scale=1.5))
    np.testing.assert_allclose(filters.mean, 1.5 * before)


def test_nobody_can_be_warped() -> None:
    empty = KalmanBoxes(MotionConfig())
    empty.warp(moved(3, 4, 5, 1.1))
    assert empty.boxes_xyxy().shape == (0, 4)
