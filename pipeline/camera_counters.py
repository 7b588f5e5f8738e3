"""What a worker counts about one camera."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from pipeline.heartbeat import CameraProgress, CameraState
from pipeline.stage_clock import StageClock

MOST_WARNINGS = 100


class CameraCounters:
    """Counts frames, tracklets and warnings.

    One thread counts at a time; `report` may be called from another.

    Args:
        camera: id of the camera.
        live: whether it is a stream or a webcam.
    """

    def __init__(self, camera: str, live: bool) -> None:
        self.clock = StageClock()
        self.progress = CameraProgress(camera, live=live)
        self._warnings: dict[str, None] = {}
        self._began = time.monotonic()
        self._ended: float | None = None

    def opened(self, frames_total: int | None) -> None:
        """The source is known: frames of the recording, None if unknown."""
        self.progress = replace(self.progress, frames_total=frames_total)

    def frame(self, index: int, people: int, *, here: bool = True) -> None:
        """A frame was processed; not `here` if it is only replayed."""
        now = self.progress
        self.progress = replace(
            now,
            state="running",
            frames=now.frames + 1,
            frames_here=now.frames_here + here,
            position=index,
            people=people,
        )

    def tracklets(self, count: int) -> None:
        """Tracklets were closed."""
        self.progress = replace(self.progress, tracklets=self.progress.tracklets + count)

    def finish(self, state: CameraState) -> None:
        """No more frames will come."""
        self._ended = time.monotonic()
        self.progress = replace(self.progress, state=state, people=0)

    def warn(self, lines: Sequence[str]) -> None:
        """Add what went wrong, each line once; the newest 100 are kept."""
        self._warnings.update(dict.fromkeys(lines))
        for line in list(self._warnings)[:-MOST_WARNINGS]:
            del self._warnings[line]

    def report(self, dropped: int) -> CameraProgress:
        """The counters as they stand, with the frames that a live source dropped."""
        until = time.monotonic() if self._ended is None else self._ended
        return replace(
            self.progress,
            wall_s=until - self._began,
            dropped=dropped,
            stage_s=self.clock.seconds(),
            warnings=tuple(self._warnings),
        )
