from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np
import pytest

from pipeline.camera_reader import CameraReader
from pipeline.config import CameraConfig
from pipeline.errors import SourceError
from pipeline.frames import Frame
from pipeline.sources import SourceInfo
from pipeline.stage_clock import StageClock

CAMERA = CameraConfig(id="door", url="0")


class FakeSource:
    """Frames out of thin air."""

    def __init__(self, count: int, live: bool = False, fail_at: int | None = None) -> None:
        self.camera = "door"
        self.warnings = ["door: something odd"]
        self.info = SourceInfo(8, 6, 10.0, count, live, datetime.now(UTC), "demo", "made-up")
        self.closed = threading.Event()
        self.given = 0
        self._next, self._count, self._fail_at = 0, count, fail_at

    def __iter__(self) -> Iterator[Frame]:
        while self._next < self._count and not self.closed.is_set():
            if self._next == self._fail_at:
                raise SourceError("door", "made-up", "the cable is cut")
            index, self._next = self._next, self._next + 1
            self.given += 1
            image = np.zeros((6, 8, 3), np.uint8)
            yield Frame("door", index, datetime.now(UTC), image, index / 10)

    def seek(self, frame_index: int) -> None:
        self._next = frame_index

    def close(self) -> None:
        self.closed.set()


def reader(
    source: FakeSource, resume: Callable[[Callable[[], bool]], int | None] = lambda stopped: 0
) -> CameraReader:
    made = CameraReader(CAMERA, lambda camera: source, resume, threading.Event(), StageClock())
    made.start()
    return made


def take_all(made: CameraReader, timeout_s: float = 5.0) -> list[int]:
    found = []
    deadline = time.monotonic() + timeout_s
    while not made.done():
        assert time.monotonic() < deadline
        frame = made.take()
        if frame is None:
            time.sleep(0.001)
        else:
            found.append(frame.index)
    return found


def test_every_frame_of_a_recording_comes_in_order() -> None:
    made = reader(FakeSource(50))
    assert take_all(made) == list(range(50))
    assert made.error is None
    assert made.dropped == 0
    assert made.warnings == ["door: something odd"]


def test_a_recording_is_not_read_far_ahead() -> None:
    source = FakeSource(50)
    made = reader(source)
    time.sleep(0.1)
    assert source.given <= 6
    made.stop()
    made.join(2)
    assert made.done()
    assert source.closed.is_set()


def test_of_a_live_camera_only_the_newest_frame_is_kept() -> None:
    made = reader(FakeSource(50, live=True))
    made.join(2)
    frame = made.take()
    assert frame is not None
    assert frame.index == 49
    assert made.take() is None
    assert made.dropped == 49
    assert made.done()


def test_reading_goes_on_where_the_journal_ends() -> None:
    assert take_all(reader(FakeSource(10), lambda stopped: 7)) == [7, 8, 9]


def test_a_finished_camera_is_not_even_opened() -> None:
    made = CameraReader(
        CAMERA, lambda camera: pytest.fail("opened"), lambda stopped: None, threading.Event(),
        StageClock(),
    )  # fmt: skip
    made.start()
    assert take_all(made) == []
    assert made.error is None
    assert made.info is None
    assert made.warnings == []


def test_a_source_that_fails_hands_over_what_it_had_and_the_reason() -> None:
    made = reader(FakeSource(10, fail_at=3))
    assert take_all(made) == [0, 1, 2]
    assert made.error == "camera door (made-up): the cable is cut"


def test_an_unexpected_failure_is_reported_too() -> None:
    def broken(stopped: Callable[[], bool]) -> int:
        raise ZeroDivisionError("oops")

    made = reader(FakeSource(10), broken)
    assert take_all(made) == []
    assert made.error == "camera door: ZeroDivisionError: oops"


def test_a_stop_reaches_a_replay() -> None:
    def replay(stopped: Callable[[], bool]) -> None:
        while not stopped():
            time.sleep(0.01)

    made = reader(FakeSource(10), replay)
    assert not made.done()
    made.stop()
    made.join(2)
    assert made.done()


def test_the_worker_is_woken_and_decoding_time_is_counted() -> None:
    arrival, clock = threading.Event(), StageClock()
    made = CameraReader(CAMERA, lambda camera: FakeSource(3), lambda stopped: 0, arrival, clock)
    made.start()
    assert arrival.wait(2)
    take_all(made)
    assert clock.seconds()["decode"] > 0
