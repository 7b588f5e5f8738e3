"""A live camera: a thread reads all the time and keeps only the newest frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from pipeline.config import CameraConfig, SourceKind
from pipeline.errors import SourceError
from pipeline.frames import Frame
from pipeline.sources.base import SourceInfo, WarningList
from pipeline.sources.capture import open_stream, open_webcam
from pipeline.sources.newest import NewestSlot
from pipeline.sources.rate import RateCap

Opener = Callable[[], cv2.VideoCapture]


@dataclass(frozen=True)
class LiveOptions:
    """How patient a live source is.

    Attributes:
        stall_s: seconds without a frame after which the connection is dropped and made again;
            default 10. Raising it leaves a frozen camera unnoticed for longer.
        first_backoff_s: wait before the first reconnect in seconds, doubled each time; default 0.5.
        max_backoff_s: longest wait between reconnects in seconds; default 30. Raising it makes a
            camera that is back come in later.
        max_failures: failed connections in a row after which the source gives up with SourceError;
            default None = never.
    """

    stall_s: float = 10.0
    first_backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    max_failures: int | None = None


@dataclass(frozen=True)
class LiveStats:
    """Counters of a live source: frames received, frames dropped unseen, connections re-made."""

    received: int
    dropped: int
    reconnects: int


class LiveSource:
    """Newest frames of an RTSP/HTTP stream or webcam, stamped with this machine's UTC clock.

    Frame indices count received frames, so a gap in them shows dropped ones. The connection is
    made in the background: a camera that is switched off at first is used as soon as it answers.

    Args:
        config: the camera.
        options: patience and reconnects.
        opener: opens a capture; default: by the camera's kind.
    """

    def __init__(
        self,
        config: CameraConfig,
        options: LiveOptions | None = None,
        opener: Opener | None = None,
    ) -> None:
        self.camera = config.id
        self._config = config
        self._options = options or LiveOptions()
        self._opener = opener or _opener_for(config, self._options)
        self._warnings = WarningList(config.id)
        self._slot: NewestSlot[Frame] = NewestSlot()
        self._stop = threading.Event()
        self._opened_at = time.monotonic()
        self._clock_offset = timedelta(seconds=config.clock_offset_s)
        self._received = 0
        self._connections = 0
        self._generation = 0
        self._last_frame_at = self._opened_at
        self._error: SourceError | None = None
        self._info = SourceInfo(
            width=0,
            height=0,
            fps=0.0,
            frame_count=None,
            is_live=True,
            start_time_utc=datetime.now(UTC) + self._clock_offset,
            start_time_origin="wall clock",
            url=config.display_url,
        )
        self._start_reader()

    @property
    def info(self) -> SourceInfo:
        """Size and announced rate, known after the first frame."""
        return self._info

    @property
    def warnings(self) -> list[str]:
        """Lost connections and stalls, newest last."""
        return self._warnings.lines

    @property
    def stats(self) -> LiveStats:
        """Frames received and dropped, and reconnects, since opening."""
        return LiveStats(self._received, self._slot.dropped, max(self._connections - 1, 0))

    def __iter__(self) -> Iterator[Frame]:
        """Wait for and yield the newest frame, until `close` or until the source gives up."""
        poll_s = min(0.5, self._options.stall_s)
        while not self._stop.is_set():
            frame = self._slot.take(poll_s)
            if frame is not None:
                yield frame
            elif self._slot.closed:
                break
            else:
                self._watch()
        if self._error is not None:
            raise self._error

    def seek(self, frame_index: int) -> None:
        """Do nothing: the past of a live source cannot be read again."""
        if frame_index < 0:
            raise ValueError(f"frame index {frame_index} is negative")

    def close(self) -> None:
        """Stop the reader thread (it may take a read's time-out to notice) and the iteration."""
        self._stop.set()
        self._slot.close()

    def _start_reader(self) -> None:
        self._generation += 1
        self._last_frame_at = time.monotonic()
        name = f"source-{self.camera}-{self._generation}"
        threading.Thread(
            target=self._read, args=(self._generation,), name=name, daemon=True
        ).start()

    def _watch(self) -> None:
        """Replace a reader whose driver hangs; twice the stall time, as FFmpeg stops by itself."""
        silent_s = time.monotonic() - self._last_frame_at
        if silent_s > 2 * self._options.stall_s + self._options.max_backoff_s:
            self._warnings.add(f"no frame for {silent_s:.0f} s; the reader hangs, starting another")
            self._start_reader()

    def _current(self, generation: int) -> bool:
        return generation == self._generation and not self._stop.is_set()

    def _read(self, generation: int) -> None:
        """Thread: connect, read until it fails, wait, again."""
        failures = 0
        while self._current(generation):
            count, reason = self._read_connection(generation)
            if not self._current(generation):
                return
            failures = 0 if count else failures + 1
            wait_s = min(
                self._options.first_backoff_s * 2 ** min(max(failures - 1, 0), 30),
                self._options.max_backoff_s,
            )
            limit = self._options.max_failures
            if limit is not None and failures >= limit:
                self._give_up(f"{reason}; gave up after {failures} attempts")
                return
            self._warnings.add(f"{self._info.url}: {reason}; trying again in {wait_s:.1f} s")
            self._last_frame_at = time.monotonic()
            self._stop.wait(wait_s)

    def _give_up(self, reason: str) -> None:
        self._error = SourceError(self.camera, self._config.display_url, reason)
        self._slot.close()

    def _read_connection(self, generation: int) -> tuple[int, str]:
        """Read one connection to its end; return how many frames it gave and why it ended."""
        capture = self._opener()
        try:
            if not capture.isOpened():
                return 0, "cannot connect; check address, network and password"
            self._connections += 1
            fps = float(capture.get(cv2.CAP_PROP_FPS))
            cap = RateCap(self._config.fps_cap)
            count = 0
            while self._current(generation):
                began = time.monotonic()
                if not capture.grab():
                    stalled = time.monotonic() - began >= 0.9 * self._options.stall_s
                    return count, "no frame for too long" if stalled else "the stream ended"
                count += 1
                self._deliver(capture, cap, fps, generation)
            return count, "closed"
        except cv2.error as error:
            return 0, f"reading failed ({error.code})"
        finally:
            capture.release()

    def _deliver(
        self, capture: cv2.VideoCapture, cap: RateCap, fps: float, generation: int
    ) -> None:
        now = time.monotonic()
        time_utc = datetime.now(UTC) + self._clock_offset
        self._last_frame_at = now
        offset_s = now - self._opened_at
        index, self._received = self._received, self._received + 1
        if not cap.keeps(offset_s):
            return
        ok, image = capture.retrieve()
        if not ok or image is None or not self._current(generation):
            return
        height, width = image.shape[:2]
        known_fps = fps if 0 < fps <= 1000 else 0.0
        if (width, height, known_fps) != (self._info.width, self._info.height, self._info.fps):
            self._info = replace(self._info, width=width, height=height, fps=known_fps)
        self._slot.put(Frame(self.camera, index, time_utc, np.asarray(image, np.uint8), offset_s))


def _opener_for(config: CameraConfig, options: LiveOptions) -> Opener:
    if config.kind is SourceKind.WEBCAM:
        return lambda: open_webcam(int(config.url))
    return lambda: open_stream(config.url, options.stall_s)
