"""The box filter against a textbook one: eight states, whole matrices, one track."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tracker_builders import box

from trackers.kalman import KalmanBoxes, MotionConfig

ROW = np.array([0])
STATES = pytest.mark.parametrize("state", ["xywh", "xyah"])
SURE = pytest.mark.parametrize("confidence_noise", [True, False])


class Textbook:
    """x = (cx, cy, w or w / h, h, and their rates); x' = F x, P' = F P F^T + Q; z = H x + r."""

    def __init__(self, config: MotionConfig, shown: np.ndarray, score: float) -> None:
        self.config = config
        z = self.measured(shown)
        self.x = np.concatenate([z, np.zeros(4)])
        speeds = [share * config.initial_speed for share in (1.0, 1.0, 0.3, 0.3)]
        rates = [(s * unit) ** 2 for s, unit in zip(speeds, self.units(z), strict=True)]
        self.P = np.diag([*np.diag(self.noise(z, score)), *rates])

    def copy(self) -> Textbook:
        other = object.__new__(Textbook)
        other.config, other.x, other.P = self.config, self.x.copy(), self.P.copy()
        return other

    def measured(self, shown: np.ndarray) -> np.ndarray:
        left, top, right, bottom = (float(v) for v in shown)
        wide, high = right - left, bottom - top
        third = wide / high if self.config.state == "xyah" else wide
        return np.array([(left + right) / 2, (top + bottom) / 2, third, high])

    def units(self, values: np.ndarray) -> list[float]:
        """What a deviation of 1 means: the height in pixels, and 0.4 of an aspect ratio."""
        high = max(float(values[3]), 1.0)
        return [high, high, 0.4 if self.config.state == "xyah" else high, high]

    def noise(self, z: np.ndarray, score: float | None) -> np.ndarray:
        """R of a measurement; None is one of confidence 0.5."""
        share = 1.0
        if score is not None and self.config.confidence_noise:
            share = 1.5 - min(max(score, 0.05), 1.0)
        return np.diag([share * (self.config.position * unit) ** 2 for unit in self.units(z)])

    def predict(self, dt: float) -> None:
        F = np.eye(8)
        F[:4, 4:] = dt * np.eye(4)
        self.x = F @ self.x
        Q = np.zeros((8, 8))
        densities = [self.config.acceleration] * 2 + [self.config.size_change] * 2
        for k, (density, unit) in enumerate(zip(densities, self.units(self.x), strict=True)):
            q = (density * unit) ** 2
            Q[k, k], Q[k, k + 4] = q * dt**3 / 3, q * dt**2 / 2
            Q[k + 4, k], Q[k + 4, k + 4] = q * dt**2 / 2, q * dt
        self.P = F @ self.P @ F.T + Q

    def correct(self, z: np.ndarray, R: np.ndarray) -> None:
        H = np.eye(4, 8)
        gain = self.P @ H.T @ np.linalg.inv(H @ self.P @ H.T + R)
        self.x = self.x + gain @ (z - H @ self.x)
        self.P = (np.eye(8) - gain @ H) @ self.P

    def update(self, shown: np.ndarray, score: float) -> None:
        z = self.measured(shown)
        self.correct(z, self.noise(z, score))


def assert_same(filters: KalmanBoxes, book: Textbook, row: int = 0) -> None:
    np.testing.assert_allclose(filters.mean[row].T.ravel(), book.x, rtol=1e-8, atol=1e-8)
    whole = np.zeros((8, 8))
    for k in range(4):
        for i in range(2):
            for j in range(2):
                whole[k + 4 * i, k + 4 * j] = filters.covariance[row, k, i, j]
    np.testing.assert_allclose(whole, book.P, rtol=1e-7, atol=1e-9)


def walk(seed: int, count: int) -> list[tuple[float, np.ndarray, float]]:
    """Seconds since the last, box and confidence of a person who comes nearer."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(count):
        high = 90 + 4 * k + rng.normal(0, 3)
        shown = box(100 + 15 * k + rng.normal(0, 4), 200, 0.4 * high + rng.normal(0, 2), high)
        made.append((float(rng.uniform(0.03, 0.6)), shown, float(rng.uniform(0, 1))))
    return made


@STATES
@SURE
@pytest.mark.parametrize("seed", range(3))
def test_as_in_the_textbook(state: str, confidence_noise: bool, seed: int) -> None:
    config = MotionConfig(
        state=state,
        acceleration=0.7,
        size_change=0.3,
        position=0.05,
        initial_speed=0.9,
        confidence_noise=confidence_noise,
    )
    (_, first, score), *rest = walk(seed, 15)
    filters, book = KalmanBoxes(config), Textbook(config, first, score)
    filters.add(first[None], np.array([score]))
    assert_same(filters, book)
    for k, (dt, shown, score) in enumerate(rest):
        filters.predict(dt)
        book.predict(dt)
        assert_same(filters, book)
        if k % 4 != 2:
            filters.update(ROW, shown[None], np.array([score]))
            book.update(shown, score)
            assert_same(filters, book)
    cx, cy, third, high = book.x[:4]
    wide = third * high if state == "xyah" else third
    expected = [cx - wide / 2, cy - high / 2, cx + wide / 2, cy + high / 2]
    np.testing.assert_allclose(filters.boxes_xyxy()[0], expected)


def lead(book: Textbook, seen: Textbook, shown: np.ndarray, gap: float) -> Textbook:
    """From the state when it was seen: boxes on a straight line, one each 0.1 s at most."""
    steps = math.ceil(gap / 0.1 - 1e-6)
    if steps < 2:
        return book
    start, goal = seen.x[:4].copy(), seen.measured(shown)
    again = seen.copy()
    for k in range(1, steps):
        again.predict(gap / steps)
        here = start + (goal - start) * k / steps
        again.correct(here, again.noise(here, None))
    again.predict(gap / steps)
    return again


@STATES
@SURE
@pytest.mark.parametrize("dt", [0.04, 0.1, 0.25, 1.0])
def test_re_update_by_a_loop(state: str, confidence_noise: bool, dt: float) -> None:
    """Found again after 0, 1, 2 ... missed frames; a frame without a miss is a plain update."""
    config = MotionConfig(state=state, confidence_noise=confidence_noise, re_update=True)
    shown = walk(3, 7)
    filters, book = KalmanBoxes(config), Textbook(config, shown[0][1], shown[0][2])
    filters.add(shown[0][1][None], np.array([shown[0][2]]))
    seen = book.copy()
    for missed, (_, here, score) in enumerate(shown[1:]):
        for _ in range(missed + 1):
            filters.predict(dt)
            book.predict(dt)
        if missed:
            book = lead(book, seen, here, dt * (missed + 1))
        filters.update(ROW, here[None], np.array([score]))
        book.update(here, score)
        assert_same(filters, book)
        seen = book.copy()


def test_re_update_leads_only_the_rows_that_were_lost() -> None:
    """Rows are removed and restarted in between."""
    config = MotionConfig(re_update=True)
    filters = KalmanBoxes(config)
    filters.add(np.stack([box(10), box(100), box(300), box(500)]), np.full(4, 0.8))
    books = [Textbook(config, box(x), 0.8) for x in (10, 100, 300, 500)]
    seen = [book.copy() for book in books]
    for k in range(5):
        filters.predict(0.1)
        for book in books:
            book.predict(0.1)
        if k == 0:
            filters.keep(np.array([False, True, True, True]))
            books, seen = books[1:], seen[1:]
        if k == 2:
            filters.restart(np.array([2]), box(520)[None], np.array([0.7]))
            books[2] = Textbook(config, box(520), 0.7)
            seen[2] = books[2].copy()
        if k < 4:
            filters.update(ROW, box(100 + 5 * k)[None], np.array([0.8]))
            books[0].update(box(100 + 5 * k), 0.8)
    shown = [box(120), box(340), box(530)]
    filters.update(np.arange(3), np.stack(shown), np.full(3, 0.9))
    for row, here in enumerate(shown):
        gap = (0.1, 0.5, 0.2)[row]
        book = lead(books[row], seen[row], here, gap) if row else books[row]
        book.update(here, 0.9)
        assert_same(filters, book, row)


def test_re_update_knows_the_speed_of_who_turned_back() -> None:
    """After a gap of 1.5 s in which a person went back by 60 pixels, at -40 per second."""
    errors = []
    for re_update in (False, True):
        filters = KalmanBoxes(MotionConfig(re_update=re_update))
        filters.add(box(0)[None], np.array([0.9]))
        for k in range(1, 30):
            filters.predict(0.1)
            filters.update(ROW, box(10 * k)[None], np.array([0.9]))
        for _ in range(15):
            filters.predict(0.1)
        filters.update(ROW, box(230)[None], np.array([0.9]))
        errors.append(abs(filters.mean[0, 0, 1] - -60 / 1.5))
    assert errors[1] < 15 < errors[0]
