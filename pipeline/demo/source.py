"""The demo as a source of frames."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.config import CameraConfig
from pipeline.demo.choreography import FPS, FRAME_COUNT, START_TIME
from pipeline.demo.geometry import HEIGHT, WIDTH
from pipeline.demo.names import VIEW_NAMES
from pipeline.demo.render import render
from pipeline.errors import SourceError
from pipeline.sources.base import SourceInfo, WarningList
from pipeline.sources.even import EvenSource


class DemoSource(EvenSource):
    """A drawn camera view of 30 s at 10 frames per second, the same on every run.

    It starts at 2026-01-05T08:00:00Z, plus the camera's clock offset.

    Args:
        config: the camera; its url is `demo:<view>`.

    Raises:
        SourceError: there is no such view.
    """

    def __init__(self, config: CameraConfig) -> None:
        self._view = config.url.removeprefix("demo:")
        if self._view not in VIEW_NAMES:
            raise SourceError(config.id, config.url, f"no view {self._view!r} in the demo")
        info = SourceInfo(
            width=WIDTH,
            height=HEIGHT,
            fps=float(FPS),
            frame_count=FRAME_COUNT,
            is_live=False,
            start_time_utc=START_TIME + timedelta(seconds=config.clock_offset_s),
            start_time_origin="demo",
            url=config.url,
        )
        super().__init__(config, info, WarningList(config.id))

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Draw frame `index`, (480, 640, 3) uint8 BGR."""
        return render(self._view, index)[0]
