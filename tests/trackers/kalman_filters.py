"""Filters of one person, for the tests of the box filter."""

from __future__ import annotations

import numpy as np
from tracker_builders import box

from trackers.kalman import KalmanBoxes, MotionConfig

ROW = np.array([0])


def one(x: float = 100.0, score: float = 0.9) -> KalmanBoxes:
    """A filter that has seen a person once."""
    filters = KalmanBoxes(MotionConfig())
    filters.add(box(x)[None], np.array([score]))
    return filters


def walked(dt: float = 0.1, frames: int = 60, speed: float = 50.0) -> KalmanBoxes:
    """A filter that has followed a person at `speed` pixels per second."""
    filters = one(0.0)
    for k in range(1, frames):
        filters.predict(dt)
        filters.update(ROW, box(speed * dt * k)[None], np.array([0.9]))
    return filters
