"""A thread that reads one camera ahead of the worker."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from pipeline.config import CameraConfig
from pipeline.errors import SourceError
from pipeline.frames import Frame
from pipeline.sources import Source, SourceInfo
from pipeline.stage_clock import StageClock

logger = logging.getLogger(__name__)

OpenSource = Callable[[CameraConfig], Source]
Resume = Callable[[Callable[[], bool]], int | None]


class CameraReader:
    """Reads frames in the background: every frame of a recording, the newest of a live camera.

    Args:
        camera: its settings.
        open_source: opens the camera.
        resume: called in the thread before the first frame of a recording; brings the camera's
            state back and returns the frame to continue at, None if there is nothing left to do.
            It is given a function that says whether it should give up.
        arrival: set whenever something changed that the worker should look at.
        clock: counts the decoding time.
        ahead: frames of a recording that are read ahead; raising it costs memory (6 MB each in
            full HD).
    """

    def __init__(
        self,
        camera: CameraConfig,
        open_source: OpenSource,
        resume: Resume,
        arrival: threading.Event,
        clock: StageClock,
        ahead: int = 4,
    ) -> None:
        self.camera = camera
        self.error: str | None = None
        self._open_source = open_source
        self._resume = resume
        self._arrival = arrival
        self._clock = clock
        self._ahead = ahead
        self._frames: deque[Frame] = deque()
        self._change = threading.Condition()
        self._stopped = False
        self._source: Source | None = None
        self._replaced = 0
        self._thread = threading.Thread(target=self._run, name=f"read-{camera.id}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def take(self) -> Frame | None:
        """The next frame if there is one; does not wait."""
        with self._change:
            if not self._frames:
                return None
            frame = self._frames.popleft()
            self._change.notify_all()
            return frame

    def done(self) -> bool:
        """Whether no more frames will come; see `error` for the reason, None at a regular end."""
        return not self._thread.is_alive() and not self._frames

    def stop(self) -> None:
        """Ask the thread to end; frames that were read ahead are discarded."""
        with self._change:
            self._stopped = True
            self._frames.clear()
            self._change.notify_all()
        if self._source is not None:
            self._source.close()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout_s)

    @property
    def info(self) -> SourceInfo | None:
        """What the source says about itself; None before it is open."""
        source = self._source
        return None if source is None else source.info

    @property
    def warnings(self) -> list[str]:
        """What the source complained about."""
        source = self._source
        return [] if source is None else list(source.warnings)

    @property
    def dropped(self) -> int:
        """Frames of a live camera that a newer one replaced."""
        stats = getattr(self._source, "stats", None)
        return self._replaced + int(getattr(stats, "dropped", 0))

    def _run(self) -> None:
        try:
            start = self._resume(lambda: self._stopped)
            if start is not None and not self._stopped:
                self._source = self._open_source(self.camera)
                self._read(self._source, start)
        except SourceError as error:
            self.error = str(error)
        except Exception as error:
            logger.exception("camera %s: reading ended", self.camera.id)
            self.error = f"camera {self.camera.id}: {type(error).__name__}: {error}"
        finally:
            if self._source is not None:
                self._source.close()
            self._arrival.set()

    def _read(self, source: Source, start: int) -> None:
        if start > 0:
            with self._clock.measure("decode"):
                source.seek(start)
        frames = iter(source)
        live = source.info.is_live
        while not self._stopped:
            if live:
                frame = next(frames, None)
            else:
                with self._clock.measure("decode"):
                    frame = next(frames, None)
            if frame is None:
                return
            self._offer(frame, live)

    def _offer(self, frame: Frame, live: bool) -> None:
        with self._change:
            if live:
                self._replaced += len(self._frames)
                self._frames.clear()
            else:
                self._change.wait_for(lambda: self._stopped or len(self._frames) < self._ahead)
            if not self._stopped:
                self._frames.append(frame)
        self._arrival.set()
