"""The demo as a source of frames."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from pipeline.config import CameraConfig
from pipeline.demo.choreography import FPS, FRAME_COUNT, START_TIME
from pipeline.demo.geometry import HEIGHT, WIDTH
from pipeline.demo.names import VIEW_NAMES
from pipeline.demo.render import render
from pipeline.errors import SourceError
from pipeline.frames import Frame
from pipeline.sources.base import SourceInfo
from pipeline.sources.rate import RateCap


class DemoSource:
    """A drawn camera view of 30 s at 10 frames per second, the same on every run.

    It starts at 2026-01-05T08:00:00Z, plus the camera's clock offset.

    Args:
        config: the camera; its url is `demo:<view>`.

    Raises:
        SourceError: there is no such view.
    """

    def __init__(self, config: CameraConfig) -> None:
        self.camera = config.id
        self.warnings: list[str] = []
        self._view = config.url.removeprefix("demo:")
        self._fps_cap = config.fps_cap
        if self._view not in VIEW_NAMES:
            raise SourceError(config.id, config.url, f"no view {self._view!r} in the demo")
        self._next = 0
        self._closed = False
        self.info = SourceInfo(
            width=WIDTH,
            height=HEIGHT,
            fps=float(FPS),
            frame_count=FRAME_COUNT,
            is_live=False,
            start_time_utc=START_TIME + timedelta(seconds=config.clock_offset_s),
            start_time_origin="demo",
            url=config.url,
        )

    def __iter__(self) -> Iterator[Frame]:
        """Draw and yield the frames that the rate cap keeps."""
        cap = RateCap(self._fps_cap)
        if self._next > 0:
            cap.keeps((self._next - 1) / FPS)
        while self._next < FRAME_COUNT and not self._closed:
            index, self._next = self._next, self._next + 1
            offset_s = index / FPS
            if cap.keeps(offset_s):
                time = self.info.start_time_utc + timedelta(seconds=offset_s)
                yield Frame(self.camera, index, time, render(self._view, index)[0], offset_s)

    def seek(self, frame_index: int) -> None:
        """Continue at `frame_index`; beyond the end nothing more is yielded."""
        if frame_index < 0:
            raise ValueError(f"frame index {frame_index} is negative")
        self._next = frame_index

    def close(self) -> None:
        """End a running iteration at its next frame."""
        self._closed = True
