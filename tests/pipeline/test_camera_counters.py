"""What a worker counts about one camera."""

from __future__ import annotations

from itertools import count

import pytest

from pipeline import camera_counters
from pipeline.camera_counters import MOST_WARNINGS, CameraCounters


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> CameraCounters:
    """Counters of a recording, on a clock that moves a second with every look."""
    seconds = count()
    monkeypatch.setattr(camera_counters.time, "monotonic", lambda: float(next(seconds)))
    return CameraCounters("door", live=False)


def test_before_the_first_frame_a_camera_waits(counters: CameraCounters) -> None:
    found = counters.report(dropped=0)
    assert (found.camera, found.state, found.live) == ("door", "waiting", False)
    assert (found.frames, found.position, found.frames_total) == (0, -1, None)


def test_replayed_frames_count_for_the_run_but_not_for_this_process(
    counters: CameraCounters,
) -> None:
    counters.opened(100)
    for index in range(3):
        counters.frame(index, people=2, here=False)
    counters.frame(3, people=1)
    found = counters.report(dropped=0)
    assert (found.state, found.frames, found.frames_here) == ("running", 4, 1)
    assert (found.position, found.people, found.frames_total) == (3, 1, 100)


def test_tracklets_add_up(counters: CameraCounters) -> None:
    for closed in (2, 0, 3):
        counters.tracklets(closed)
    assert counters.report(dropped=0).tracklets == 5


def test_after_the_end_time_stands_still_and_nobody_is_in_view(counters: CameraCounters) -> None:
    counters.frame(0, people=3)
    running = counters.report(dropped=0).wall_s
    assert counters.report(dropped=0).wall_s > running
    counters.finish("finished")
    ended = counters.report(dropped=7)
    assert (ended.state, ended.people, ended.dropped) == ("finished", 0, 7)
    assert ended.wall_s > running
    assert counters.report(dropped=7) == ended


def test_each_warning_is_said_once_in_the_order_of_arrival(counters: CameraCounters) -> None:
    counters.warn(["b", "a"])
    counters.warn(["a", "c", "b"])
    assert counters.report(dropped=0).warnings == ("b", "a", "c")


def test_only_the_newest_warnings_are_kept(counters: CameraCounters) -> None:
    counters.warn([f"line {number}" for number in range(MOST_WARNINGS + 5)])
    found = counters.report(dropped=0).warnings
    assert (len(found), found[0], found[-1]) == (MOST_WARNINGS, "line 5", "line 104")


def test_a_report_is_not_changed_by_what_comes_later(counters: CameraCounters) -> None:
    counters.clock.add("detect", 1.5)
    counters.warn(["early"])
    before = counters.report(dropped=0)
    counters.clock.add("detect", 1.0)
    counters.warn(["late"])
    counters.frame(0, people=1)
    assert (before.stage_s, before.warnings, before.frames) == ({"detect": 1.5}, ("early",), 0)
    assert counters.report(dropped=0).stage_s == {"detect": 2.5}
