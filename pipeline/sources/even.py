"""Frames at even intervals that can be read in any order: what folders and the demo share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.config import CameraConfig
from pipeline.frames import Frame
from pipeline.sources.base import SourceInfo, WarningList
from pipeline.sources.rate import RateCap


class EvenSource(ABC):
    """Yields frame k at k / fps seconds; see `pipeline.sources.base.Source`.

    Args:
        config: the camera.
        info: what is known about it; rate and number of frames must be.
        warnings: what went wrong while it was opened; it is written on.
    """

    def __init__(self, config: CameraConfig, info: SourceInfo, warnings: WarningList) -> None:
        self.camera = config.id
        self.info = info
        self._fps_cap = config.fps_cap
        self._warnings = warnings
        self._next = 0
        self._closed = False

    @property
    def warnings(self) -> list[str]:
        """What went wrong so far."""
        return self._warnings.lines

    @abstractmethod
    def picture(self, index: int) -> NDArray[np.uint8] | None:
        """Frame `index` as (H, W, 3) uint8 BGR; None, after a warning, if it cannot be read."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the readable frames that the rate cap keeps."""
        cap = RateCap(self._fps_cap)
        if self._next > 0:
            cap.keeps((self._next - 1) / self.info.fps)
        while self._next < (self.info.frame_count or 0) and not self._closed:
            index, self._next = self._next, self._next + 1
            offset_s = index / self.info.fps
            if not cap.keeps(offset_s):
                continue
            image = self.picture(index)
            if image is not None:
                time = self.info.start_time_utc + timedelta(seconds=offset_s)
                yield Frame(self.camera, index, time, image, offset_s)

    def seek(self, frame_index: int) -> None:
        """Continue at `frame_index`; beyond the end nothing more is yielded."""
        if frame_index < 0:
            raise ValueError(f"frame index {frame_index} is negative")
        self._next = frame_index

    def close(self) -> None:
        """End a running iteration at its next frame."""
        self._closed = True
