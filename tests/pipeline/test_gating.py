"""Which frames the detector sees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipeline.frames import Frame
from pipeline.gating import FrameGate

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
NOISE = np.random.default_rng(0).normal(0, 4, (10, 120, 160, 3))


def scene(seed: int = 0, patch_x: int | None = None, light: float = 0.0) -> np.ndarray:
    """(120, 160, 3) noise around grey, with a dark patch of 12 x 30 pixels at `patch_x`."""
    picture = 120 + light + NOISE[seed % len(NOISE)]
    if patch_x is not None:
        picture[50:80, patch_x : patch_x + 12] -= 70
    return np.clip(picture, 0, 255).astype(np.uint8)


def frame(time_s: float, picture: np.ndarray | None = None) -> Frame:
    image = np.zeros((8, 8, 3), np.uint8) if picture is None else picture
    return Frame("a", round(time_s * 1000), START + timedelta(seconds=time_s), image, time_s)


def looks(gate: FrameGate, times_s: list[float], **made: int) -> list[float]:
    """The times at which the gate lets an unchanging scene through, with fresh noise."""
    return [
        t for k, t in enumerate(times_s) if gate.should_detect(frame(t, scene(k, **made)), False)
    ]


def every(fps: float, seconds: float, start_s: float = 0.0) -> list[float]:
    return [start_s + k / fps for k in range(round(seconds * fps))]


@pytest.mark.parametrize(
    ("detect_fps", "source_fps", "expected"),
    [(None, 25, 250), (5, 25, 50), (10, 25, 100), (3, 10, 30), (4, 30, 40), (50, 25, 250)],
)
def test_a_steady_rate(detect_fps: float | None, source_fps: float, expected: int) -> None:
    gate = FrameGate(detect_fps, skip_empty=False)
    seen = [t for t in every(source_fps, 10) if gate.should_detect(frame(t), False)]
    assert len(seen) == pytest.approx(expected, abs=1)
    if detect_fps:
        gaps = np.diff(seen)
        assert gaps.max() <= max(1 / detect_fps, 1 / source_fps) + 1 / source_fps + 1e-6


def test_after_a_pause_it_does_not_catch_up() -> None:
    gate = FrameGate(1.0, skip_empty=False)
    times = [*every(10, 2), *every(10, 2, start_s=60.0)]
    seen = [t for t in times if gate.should_detect(frame(t), False)]
    assert seen == pytest.approx([0.0, 1.0, 60.0, 61.0])


def test_a_still_scene_is_skipped_but_looked_at_now_and_then() -> None:
    gate = FrameGate(None, skip_empty=True, recheck_s=2.0)
    assert looks(gate, every(10, 6.5)) == pytest.approx([0.0, 2.0, 4.0, 6.0])


def test_without_skip_empty_everything_is_seen() -> None:
    assert len(looks(FrameGate(None, skip_empty=False), every(10, 3))) == 30


def test_something_that_moves_wakes_the_detector() -> None:
    gate = FrameGate(None, skip_empty=True, recheck_s=100.0)
    assert looks(gate, every(10, 1)) == [0.0]
    for k in range(10):
        moving = frame(1 + k / 10, scene(k, patch_x=7 * k))
        assert gate.should_detect(moving, False)


def test_while_somebody_is_followed_every_frame_is_seen() -> None:
    gate = FrameGate(None, skip_empty=True, recheck_s=100.0)
    assert all(gate.should_detect(frame(t, scene()), True) for t in every(10, 2))
    assert looks(gate, every(10, 1, start_s=2.0)) == []


def test_a_thing_that_stays_becomes_part_of_the_scene() -> None:
    gate = FrameGate(None, skip_empty=True, recheck_s=1000.0)
    looks(gate, every(10, 1))
    awake = looks(gate, every(10, 20, start_s=1.0), patch_x=50)
    assert 1 < len(awake) < 100
    assert awake[-1] < 11


def test_somebody_who_is_followed_does_not_become_part_of_the_scene() -> None:
    gate = FrameGate(None, skip_empty=True, recheck_s=1000.0)
    looks(gate, every(10, 1))
    for t in every(10, 20, start_s=1.0):
        gate.should_detect(frame(t, scene(patch_x=50)), True)
    assert gate.should_detect(frame(21.0, scene(patch_x=50)), False)


def test_slow_light_is_learned() -> None:
    gate = FrameGate(None, skip_empty=True, recheck_s=1000.0)
    seen = [
        t
        for k, t in enumerate(every(10, 30))
        if gate.should_detect(frame(t, scene(k, light=2.0 * t)), False)
    ]
    assert seen == [0.0]


def test_rate_and_stillness_together() -> None:
    gate = FrameGate(2.0, skip_empty=True, recheck_s=2.0)
    assert looks(gate, every(10, 4.5)) == pytest.approx([0.0, 2.0, 4.0])
    moving = [
        t
        for k, t in enumerate(every(10, 2, start_s=4.5))
        if gate.should_detect(frame(t, scene(k, patch_x=7 * k)), False)
    ]
    assert len(moving) == 4


def test_cameras_have_their_own_gates() -> None:
    one, other = FrameGate(1.0, skip_empty=True), FrameGate(1.0, skip_empty=True)
    assert one.should_detect(frame(0, scene()), False)
    assert other.should_detect(frame(0, scene()), False)
