"""The box filter: exact in elapsed time, the same for one track and for many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kalman_filters import ROW, one, walked
from tracker_builders import box

from trackers.kalman import KalmanBoxes, MotionConfig, xywh_to_xyxy, xyxy_to_xywh


def test_converges_to_a_constant_velocity() -> None:
    filters = walked(speed=50.0)
    assert filters.mean[0, 0] == pytest.approx([50.0 * 0.1 * 59, 50.0], rel=0.02)
    assert filters.mean[0, 1] == pytest.approx([200.0, 0.0], abs=0.5)
    filters.predict(2.0)
    assert filters.boxes_xyxy()[0] == pytest.approx(box(50.0 * 7.9), abs=3.0)


def test_the_unsure_speed_becomes_surer() -> None:
    variances = [walked(frames=n).covariance[0, 0, 1, 1] for n in (1, 3, 10)]
    assert variances == sorted(variances, reverse=True)
    assert variances[-1] < variances[0]


def test_ten_short_steps_are_one_long_step() -> None:
    """Holds exactly: noise is integrated over time (the height rests, on which it scales)."""
    short, long = walked(), walked()
    for filters in (short, long):
        filters.mean[:, 3, 1] = 0.0
    for _ in range(10):
        short.predict(0.04)
    long.predict(0.4)
    np.testing.assert_allclose(short.mean, long.mean, rtol=1e-12)
    np.testing.assert_allclose(short.covariance, long.covariance, rtol=1e-9)


def test_prediction_adds_white_noise_acceleration() -> None:
    noise, dt = MotionConfig(acceleration=0.5, size_change=0.2), 0.3
    filters = KalmanBoxes(noise)
    filters.add(box(0, height=80)[None], np.array([1.0]))
    before = filters.covariance.copy()
    filters.predict(dt)
    move = np.array([[1, dt], [0, 1]])
    shape = np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    for k, density in enumerate([0.5, 0.5, 0.2, 0.2]):
        expected = move @ before[0, k] @ move.T + (density * 80) ** 2 * shape
        np.testing.assert_allclose(filters.covariance[0, k], expected)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 5))
def test_many_tracks_at_once_are_many_tracks_one_by_one(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    together = KalmanBoxes(MotionConfig())
    alone = [KalmanBoxes(MotionConfig()) for _ in range(count)]
    start = np.stack([box(*rng.uniform(0, 500, 2), *rng.uniform(20, 90, 2)) for _ in range(count)])
    scores = rng.uniform(0.1, 1, count)
    together.add(start, scores)
    for k, filters in enumerate(alone):
        filters.add(start[k : k + 1], scores[k : k + 1])
    for _ in range(5):
        dt = float(rng.uniform(0.02, 1))
        rows = np.sort(rng.permutation(count)[: rng.integers(0, count + 1)])
        moved = start[rows] + rng.normal(0, 3, (len(rows), 1))
        together.predict(dt)
        together.update(rows, moved, scores[rows])
        for k, filters in enumerate(alone):
            filters.predict(dt)
            here = np.flatnonzero(rows == k)
            filters.update(np.zeros(len(here), np.int64), moved[here], scores[rows][here])
    for k, filters in enumerate(alone):
        np.testing.assert_allclose(together.mean[k], filters.mean[0])
        np.testing.assert_allclose(together.covariance[k], filters.covariance[0])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_covariances_stay_positive_definite(seed: int) -> None:
    rng = np.random.default_rng(seed)
    filters = one()
    for _ in range(30):
        filters.predict(float(rng.choice([0.0, 1e-6, 0.04, 5.0])))
        filters.update(ROW, box(*rng.uniform(0, 500, 2))[None], rng.uniform(0, 1, 1))
        turned = filters.covariance.transpose(0, 1, 3, 2)
        np.testing.assert_allclose(filters.covariance, turned, rtol=1e-6)
        assert (np.linalg.eigvalsh(filters.covariance) > 0).all()


def test_a_faint_detection_moves_the_track_less() -> None:
    sure, faint = one(), one()
    for filters, score in ((sure, 0.95), (faint, 0.15)):
        filters.predict(0.1)
        filters.update(ROW, box(130.0)[None], np.array([score]))
    assert 100 < faint.mean[0, 0, 0] < sure.mean[0, 0, 0] < 130


def test_add_and_keep() -> None:
    filters = KalmanBoxes(MotionConfig())
    filters.add(np.stack([box(x) for x in (10, 20, 30)]), np.full(3, 0.8))
    filters.add(box(40)[None], np.array([0.8]))
    assert len(filters) == 4
    filters.keep(np.array([True, False, True, True]))
    assert filters.mean[:, 0, 0].tolist() == [10, 30, 40]
    assert filters.covariance.shape == (3, 4, 2, 2)
    filters.add(np.zeros((0, 4)), np.zeros(0))
    assert len(filters) == 3


def test_restart_forgets_the_motion_of_that_row_alone() -> None:
    filters = walked()
    filters.add(box(900.0)[None], np.array([0.9]))
    other = filters.mean[1].copy()
    filters.restart(ROW, box(500.0)[None], np.array([0.7]))
    fresh = one(500.0, 0.7)
    np.testing.assert_array_equal(filters.mean[0], fresh.mean[0])
    np.testing.assert_array_equal(filters.covariance[0], fresh.covariance[0])
    np.testing.assert_array_equal(filters.mean[1], other)


def test_no_time_no_change_and_no_track_no_error() -> None:
    filters = one()
    before = filters.covariance.copy()
    filters.predict(0.0)
    np.testing.assert_array_equal(filters.covariance, before)
    empty = KalmanBoxes(MotionConfig())
    empty.predict(1.0)
    empty.update(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))
    assert empty.boxes_xyxy().shape == (0, 4)


def test_mahalanobis_by_hand() -> None:
    filters = one()
    variance = filters.covariance[0, 0, 0, 0] + (0.06 * 100) ** 2
    found = filters.mahalanobis(np.stack([box(100), box(130, 240)]), ROW)
    assert found.shape == (1, 2)
    assert found[0].tolist() == pytest.approx([0.0, (30**2 + 40**2) / variance])


def test_mahalanobis_of_the_rows_that_are_asked_for() -> None:
    filters = KalmanBoxes(MotionConfig())
    filters.add(np.stack([box(x, height=50 + x) for x in (10, 20, 30)]), np.array([0.9, 0.5, 0.1]))
    filters.predict(0.3)
    shown = np.stack([box(25), box(70, 220)])
    every = filters.mahalanobis(shown, np.arange(3))
    np.testing.assert_array_equal(filters.mahalanobis(shown, np.array([2, 0])), every[[2, 0]])
    assert filters.mahalanobis(shown, ROW[:0]).shape == (0, 2)


@pytest.mark.parametrize("state", ["xywh", "xyah"])
def test_boxes_ahead_are_shifted_and_nothing_moves(state: str) -> None:
    filters = KalmanBoxes(MotionConfig(state=state))
    filters.add(box(100.0)[None], np.array([0.9]))
    filters.mean[0, :, 1] = [30.0, -20.0, 0.5, 9.0]
    before = filters.mean.copy()
    np.testing.assert_allclose(filters.boxes_ahead(0.5), box(115.0, 190.0)[None], rtol=1e-6)
    np.testing.assert_array_equal(filters.mean, before)
    np.testing.assert_allclose(filters.boxes_ahead(0.0), filters.boxes_xyxy())


def test_box_formats_are_inverse_and_sizes_stay_positive() -> None:
    boxes = np.stack([box(10, 20, 5, 9), box(-3, 4, 50, 120)])
    np.testing.assert_allclose(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes)
    thin = xywh_to_xyxy(np.array([[10.0, 10.0, -4.0, 0.0]]))
    assert thin.tolist() == [[9.5, 9.5, 10.5, 10.5]]
