"""Who walks where and when.

All views share one clock that starts at `START_TIME`; a person is in one view at a time and needs
a few seconds from one to the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise

import numpy as np

from pipeline.demo.scenes import scene

FPS = 10
DURATION_S = 30
FRAME_COUNT = FPS * DURATION_S
START_TIME = datetime(2026, 1, 5, 8, tzinfo=UTC)

Point = tuple[float, float]
_SMOOTHING_S = 0.3


@dataclass(frozen=True)
class Walk:
    """One person's way through one view.

    Attributes:
        identity: the person, as in `PEOPLE`.
        view: name of the view.
        start_s: when the walk starts on the common clock; may be negative.
        points: corners of the path, (x, z) metres on the ground.
        speed_mps: metres per second.
    """

    identity: int
    view: str
    start_s: float
    points: tuple[Point, ...]
    speed_mps: float

    @property
    def end_s(self) -> float:
        """When the last point is reached."""
        return self.start_s + _lengths(self.points)[-1] / self.speed_mps

    def at(self, time_s: float) -> tuple[Point, float, float] | None:
        """Position (metres), heading (radians, 0 = +X) and distance walked (metres), if walking."""
        if not self.start_s <= time_s < self.end_s:
            return None
        before, after = self._point(time_s - _SMOOTHING_S), self._point(time_s + _SMOOTHING_S)
        heading = math.atan2(after[1] - before[1], after[0] - before[0])
        return self._point(time_s), heading, (time_s - self.start_s) * self.speed_mps

    def _point(self, time_s: float) -> Point:
        distance = (time_s - self.start_s) * self.speed_mps
        lengths = _lengths(self.points)
        xs, zs = zip(*self.points, strict=True)
        return float(np.interp(distance, lengths, xs)), float(np.interp(distance, lengths, zs))


def _lengths(points: Sequence[Point]) -> list[float]:
    total = [0.0]
    for a, b in pairwise(points):
        total.append(total[-1] + math.dist(a, b))
    return total


def _across(view: str, z0: float, z1: float) -> tuple[Point, ...]:
    """From the left edge at distance |z0| to the right edge; negative distances: right to left."""
    side = -1.0 if z0 > 0 else 1.0
    camera = scene(view).camera
    start, end = (side * camera.edge_x(abs(z0)), abs(z0)), (-side * camera.edge_x(abs(z1)), abs(z1))
    return start, end


_NEAR_Z = 0.9
_LEFT_DOOR, _RIGHT_DOOR, _FAR_LEFT, _FAR_RIGHT = (-4.4, 8.1), (4.6, 11.2), (-4.6, 17.2), (4.6, 17.2)


def _itineraries() -> list[tuple[int, float, float, list[tuple[str, tuple[Point, ...], float]]]]:
    """Per person: identity, speed, start, and legs of (view, path, seconds until the next leg)."""
    lobby, corridor, yard = "lobby", "corridor", "yard"
    return [
        (1, 1.35, -2.5, [(lobby, _across(lobby, 7.0, 7.6), 3.0),
                         (corridor, ((0.5, _NEAR_Z), (0.9, 14.5), (0.7, 17.0), _FAR_RIGHT), 3.5),
                         (yard, _across(yard, 7.8, 8.6), 0.0)]),
        (2, 1.30, -4.0, [(corridor, (_FAR_RIGHT, (0.4, 16.9), (-0.7, 13.0), (-0.5, _NEAR_Z)), 3.5),
                         (lobby, _across(lobby, -8.4, -7.9), 0.0)]),
        (3, 1.25, -3.0, [(yard, _across(yard, -8.2, -9.8), 4.5),
                         (lobby, _across(lobby, 8.8, 9.4), 0.0)]),
        (4, 1.40, 1.0, [(corridor, ((-0.9, _NEAR_Z), (-0.9, 6.6), (-1.4, 8.0), _LEFT_DOOR), 4.0),
                        (yard, _across(yard, 6.9, 5.9), 0.0)]),
        (5, 1.20, 0.5, [(lobby, _across(lobby, -5.4, -6.0), 5.0),
                        (yard, _across(yard, -11.0, -10.2), 0.0)]),
        (6, 1.30, -1.5, [(yard, _across(yard, 10.6, 10.8), 3.5),
                         (corridor, (_LEFT_DOOR, (-1.6, 8.0), (0.2, 7.0), (0.7, _NEAR_Z)), 3.0),
                         (lobby, _across(lobby, 6.0, 5.4), 0.0)]),
        (7, 1.45, 3.0, [(yard, _across(yard, -6.0, -7.4), 4.0),
                        (corridor, (_RIGHT_DOOR, (1.3, 11.2), (-0.6, 9.0), (-0.8, _NEAR_Z)), 0.0)]),
        (8, 1.30, 7.0, [(lobby, _across(lobby, 5.2, 6.6), 3.5),
                        (corridor, ((0.9, _NEAR_Z), (1.2, 9.6), (1.7, 11.1), _RIGHT_DOOR), 0.0)]),
        (9, 1.50, 6.0, [(corridor, (_FAR_LEFT, (-0.6, 16.9), (0.6, 13.0), (0.4, _NEAR_Z)), 3.0),
                        (lobby, _across(lobby, -9.6, -7.0), 0.0)]),
        (10, 1.15, 8.0, [(yard, _across(yard, 9.0, 7.6), 5.0),
                         (lobby, _across(lobby, -6.6, -5.4), 0.0)]),
    ]  # fmt: skip


@lru_cache(maxsize=1)
def walks() -> tuple[Walk, ...]:
    """Every walk of the demo, by person and time."""
    found: list[Walk] = []
    for identity, speed, start, legs in _itineraries():
        clock = start
        for view, points, pause in legs:
            walk = Walk(identity, view, clock, points, speed)
            found.append(walk)
            clock = walk.end_s + pause
    return tuple(found)
