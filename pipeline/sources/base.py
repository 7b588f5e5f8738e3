"""What every source of frames offers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from pipeline.frames import Frame

_LOG = logging.getLogger(__name__)
MAX_WARNINGS = 100


@dataclass(frozen=True)
class SourceInfo:
    """What is known about a source.

    Attributes:
        width: picture width in pixels; 0 while a live source has not delivered a frame.
        height: picture height in pixels; 0 as above.
        fps: frames per second of the source itself, before any cap; 0 when unknown.
        frame_count: frames that the recording announces, None for live sources.
        is_live: True for streams and webcams: the newest frame counts, older ones are dropped.
        start_time_utc: time of the first frame (of opening, for live), clock offset included.
        start_time_origin: where that time comes from: "configuration", "file metadata", "file
            modification time", "time of opening", "wall clock" or "demo".
        url: the address without credentials.
    """

    width: int
    height: int
    fps: float
    frame_count: int | None
    is_live: bool
    start_time_utc: datetime
    start_time_origin: str
    url: str


@runtime_checkable
class Source(Protocol):
    """A camera's frames in order of time.

    Iterating yields each frame once; a source is used by one thread at a time, but `close` may be
    called from any thread and ends the iteration.
    """

    @property
    def camera(self) -> str:
        """Id of the camera as in the configuration."""

    @property
    def info(self) -> SourceInfo:
        """What is known about the source."""

    @property
    def warnings(self) -> list[str]:
        """One line per thing that went wrong so far, at most the newest 100."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames; raises SourceError when the source turns out to be unreadable."""

    def seek(self, frame_index: int) -> None:
        """Make `frame_index` (0-based) the next frame that may be yielded; live sources ignore it.

        Raises:
            ValueError: the index is negative.
        """

    def close(self) -> None:
        """Release the source; may be called twice."""


class WarningList:
    """Collects warnings of one camera, logs each, and keeps the newest `MAX_WARNINGS`."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self.lines: list[str] = []

    def add(self, text: str) -> None:
        """Record one line; the camera's id is put in front of it."""
        line = f"camera {self._camera}: {text}"
        _LOG.warning("%s", line)
        self.lines.append(line)
        del self.lines[:-MAX_WARNINGS]
