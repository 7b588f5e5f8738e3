"""Progress over the frames of a sequence, shown once there is something to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reid.progress import ProgressLine


@contextmanager
def frame_progress(title: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Yields what is told frames done and in all; without a call nothing is shown."""
    lines: list[ProgressLine] = []

    def on_frame(done: int, total: int) -> None:
        if not lines:
            line = ProgressLine(title, total, unit="frames", quiet=quiet)
            lines.append(line.__enter__())
            line.update(0)
        lines[0].update(done)

    try:
        yield on_frame
    finally:
        for line in lines:
            line.__exit__(None, None, None)
