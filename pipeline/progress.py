"""How far a run has come: a live table on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.logging import RichHandler
from rich.table import Table

from pipeline.tally import CameraTotals, Tally

logger = logging.getLogger(__name__)


_MOST_REMEMBERED = 1000
"""Warnings of one camera that are known to have been shown."""


class Reporter(Protocol):
    """Shows progress, and each warning of a camera as it comes."""

    @property
    def warnings(self) -> WarningLines:
        """The warnings of the cameras that were shown."""

    def update(self, tally: Tally) -> None:
        """Called about five times a second."""

    def close(self) -> None:
        """The run is over."""


class WarningLines:
    """Logs what cameras complain about as it comes, each line of a camera once."""

    def __init__(self) -> None:
        self._shown: dict[str, dict[str, None]] = {}

    def update(self, cameras: Iterable[CameraTotals]) -> None:
        """Log the warnings that are new."""
        for camera in cameras:
            shown = self._shown.setdefault(camera.camera, {})
            for line in camera.warnings:
                if line not in shown:
                    logger.warning("%s", line)
                    shown[line] = None
            for line in list(shown)[:-_MOST_REMEMBERED]:
                del shown[line]

    def shown(self) -> frozenset[str]:
        """The lines that were logged; of each camera the newest 1000."""
        return frozenset(line for lines in self._shown.values() for line in lines)


class RateMeter:
    """Frames per second over the last seconds.

    Args:
        span_s: seconds that are averaged; raising it makes the number calmer but late.
    """

    def __init__(self, span_s: float = 10.0) -> None:
        self._span_s = span_s
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def rate(self, camera: CameraTotals, now_s: float) -> float:
        """Note how far the camera is at `now_s` (monotonic seconds); return frames per second."""
        seen = self._seen.setdefault(camera.camera, deque())
        if not seen or seen[-1][1] != camera.frames_here:
            seen.append((now_s, camera.frames_here))
        while len(seen) > 2 and now_s - seen[0][0] > self._span_s:
            seen.popleft()
        elapsed = now_s - seen[0][0]
        return (seen[-1][1] - seen[0][1]) / elapsed if elapsed > 0 else 0.0


def time_left_s(camera: CameraTotals, fps: float) -> float | None:
    """Seconds until the end of a recording at the present rate; None if it cannot be told."""
    if camera.frames_total is None or camera.live or fps <= 0 or camera.state != "running":
        return None
    step = (camera.position + 1) / max(camera.frames, 1)
    return max(0, camera.frames_total - camera.position - 1) / max(step, 1.0) / fps


def format_seconds(seconds: float | None) -> str:
    """Hours, minutes and seconds, such as `1:02:03` or `4:05`; a dash for None."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def progress_table(tally: Tally, rates: dict[str, float]) -> Table:
    """The table that a terminal shows."""
    table = Table(box=None, pad_edge=False)
    for title in ("camera", "state"):
        table.add_column(title)
    for title in ("frames", "frames/s", "in view", "tracklets", "dropped", "left"):
        table.add_column(title, justify="right")
    for camera in tally.cameras():
        fps = rates.get(camera.camera, 0.0)
        total = "" if camera.frames_total is None else f"/{camera.frames_total}"
        table.add_row(
            camera.camera,
            camera.state,
            f"{camera.position + 1 if total else camera.frames}{total}",
            f"{fps:.1f}",
            str(camera.people),
            str(camera.tracklets),
            str(camera.dropped) if camera.live else "–",
            format_seconds(time_left_s(camera, fps)),
        )
    pending = tally.pending()
    table.caption = f"{pending} tracklets on their way to the database" if pending else None
    return table


class LiveTable:
    """A table on standard error that is redrawn; log lines scroll above it."""

    def __init__(self, console: Console | None = None) -> None:
        self.warnings = WarningLines()
        self._console = console or Console(stderr=True)
        self._meter = RateMeter()
        self._live = Live(console=self._console, refresh_per_second=4, transient=False)
        self._handler = RichHandler(console=self._console, show_path=False)
        self._replaced: list[logging.Handler] = []
        self._take_over_logging()
        self._live.start()

    def update(self, tally: Tally) -> None:
        """Redraw, with new warnings above the table."""
        now = time.monotonic()
        cameras = tally.cameras()
        self.warnings.update(cameras)
        rates = {camera.camera: self._meter.rate(camera, now) for camera in cameras}
        self._live.update(progress_table(tally, rates))

    def close(self) -> None:
        """Leave the last table on the screen and give logging back."""
        self._live.stop()
        root = logging.getLogger()
        root.removeHandler(self._handler)
        for handler in self._replaced:
            root.addHandler(handler)
        self._replaced.clear()

    def _take_over_logging(self) -> None:
        """Plain stream handlers would write across the table."""
        root = logging.getLogger()
        terminal = (sys.stderr, sys.stdout)
        self._replaced = [
            handler
            for handler in root.handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream in terminal
        ]
        for handler in self._replaced:
            root.removeHandler(handler)
        if self._replaced:
            root.addHandler(self._handler)


class LogLines:
    """One log line per camera every few seconds, and new warnings at once.

    Args:
        every_s: seconds between lines.
    """

    def __init__(self, every_s: float = 10.0) -> None:
        self.warnings = WarningLines()
        self._every_s = every_s
        self._last = time.monotonic()
        self._meter = RateMeter()

    def update(self, tally: Tally) -> None:
        """Log new warnings, and how far the cameras are if it is time."""
        now = time.monotonic()
        cameras = tally.cameras()
        self.warnings.update(cameras)
        rates = {camera.camera: self._meter.rate(camera, now) for camera in cameras}
        if now - self._last < self._every_s:
            return
        self._last = now
        for camera in cameras:
            fps = rates[camera.camera]
            logger.info(
                "camera %s: %s, frame %d%s, %.1f frames/s, %d in view, %d tracklets, "
                "%d dropped, %s left",
                camera.camera,
                camera.state,
                camera.position + 1,
                "" if camera.frames_total is None else f" of {camera.frames_total}",
                fps,
                camera.people,
                camera.tracklets,
                camera.dropped,
                format_seconds(time_left_s(camera, fps)),
            )

    def close(self) -> None:
        """Nothing to give back."""


def make_reporter(quiet: bool = False) -> Reporter:
    """A live table if standard error is a terminal and not `quiet`, log lines otherwise."""
    if not quiet and sys.stderr.isatty():
        return LiveTable()
    return LogLines()
