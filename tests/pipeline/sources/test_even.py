"""Sources with even intervals: times, the cap, seeking, closing, frames that cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipeline.config import CameraConfig
from pipeline.demo import DemoSource
from pipeline.sources.base import Source, SourceInfo, WarningList
from pipeline.sources.even import EvenSource

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
CONFIG = CameraConfig(id="a", url="demo:lobby")


class Numbers(EvenSource):
    """Ten frames at 4 per second whose pixels are their index; the fourth cannot be read."""

    def __init__(self, fps_cap: float | None = None) -> None:
        self.read: list[int] = []
        info = SourceInfo(2, 2, 4.0, 10, False, START, "made up", "numbers")
        config = CONFIG.model_copy(update={"fps_cap": fps_cap})
        super().__init__(config, info, WarningList("a"))

    def picture(self, index: int) -> np.ndarray | None:
        self.read.append(index)
        if index == 3:
            self._warnings.add("frame 3 is gone")
            return None
        return np.full((2, 2, 3), index, np.uint8)


def test_each_frame_has_its_index_and_time() -> None:
    source = Numbers()
    assert isinstance(source, Source)
    frames = list(source)
    assert [frame.index for frame in frames] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    for frame in frames:
        assert (frame.image_bgr == frame.index).all()
        assert frame.offset_s == frame.index / 4
        assert frame.time_utc == START + timedelta(seconds=frame.index / 4)
    assert source.warnings == ["camera a: frame 3 is gone"]


@pytest.mark.parametrize(
    ("begin", "expected"),
    [(0, [0, 2, 4, 6, 8]), (1, [2, 4, 6, 8]), (5, [6, 8]), (10, []), (99, [])],
)
def test_frames_that_the_cap_drops_are_not_read(begin: int, expected: list[int]) -> None:
    source = Numbers(fps_cap=2.0)
    source.seek(begin)
    assert [frame.index for frame in source] == expected
    assert source.read == expected


def test_iterating_again_goes_on_and_seeking_goes_back() -> None:
    source = Numbers()
    assert next(iter(source)).index == 0
    assert next(iter(source)).index == 1
    source.seek(0)
    assert next(iter(source)).index == 0
    with pytest.raises(ValueError, match="-1 is negative"):
        source.seek(-1)


def test_closing_ends_a_running_iteration() -> None:
    source = Numbers()
    running = iter(source)
    next(running)
    source.close()
    source.close()
    assert list(running) == []


def test_the_demo_is_one() -> None:
    source = DemoSource(CONFIG)
    source.seek(source.info.frame_count - 1)  # type: ignore[operator]
    (last,) = source
    assert last.image_bgr.shape == (source.info.height, source.info.width, 3)
    assert source.warnings == []
