"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressLine:
    """Counts work that is done; use it as a context manager.

    Args:
        title: what is being done. total: units of work.
        unit: name of what the rate counts, such as "images". per_step: how many of them one
            unit of work is.
        every_s: seconds between plain lines; raising it makes a log shorter but later.
    """

    def __init__(
        self,
        title: str,
        total: int,
        *,
        unit: str = "images",
        per_step: int = 1,
        quiet: bool = False,
        every_s: float = 10.0,
    ) -> None:
        self._title, self._total, self._unit, self._per_step = title, total, unit, per_step
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._live = self._console.is_terminal and not quiet
        self._every_s = every_s
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._live,
        )
        self._task = self._progress.add_task(title, total=total, detail="")
        self._first: int | None = None
        self._start = self._spoken = time.monotonic()

    def update(self, done: int, details: Mapping[str, float] | None = None) -> None:
        """`done` of all units are ready; `details` are named numbers to show."""
        now = time.monotonic()
        if self._first is None:  # the first call may come from a resumed run
            self._first, self._start = done, now
        rate = (done - self._first) / max(now - self._start, 1e-9)
        detail = self._detail(rate, details or {})
        if self._live:
            self._progress.update(self._task, completed=done, detail=detail)
        elif now - self._spoken >= self._every_s or done >= self._total:
            self._spoken = now
            left = f", {(self._total - done) / rate:.0f} s left" if rate else ""
            self._console.print(
                f"{self._title}: {done}/{self._total}{', ' if detail else ''}{detail}{left}",
                soft_wrap=True,
            )

    def _detail(self, rate: float, details: Mapping[str, float]) -> str:
        parts = [f"{rate * self._per_step:.0f} {self._unit}/s"] if rate else []
        return ", ".join(parts + [f"{name} {value:.3f}" for name, value in details.items()])

    def __enter__(self) -> ProgressLine:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


@contextmanager
def image_progress(title: str, quiet: bool) -> Iterator[Callable[[int], Callable[[int], None]]]:
    """Yields a function of the number of images, which returns what counts the ready ones."""
    lines: list[ProgressLine] = []

    def on_start(total: int) -> Callable[[int], None]:
        lines.append(ProgressLine(title, total, quiet=quiet).__enter__())
        return lines[0].update

    try:
        yield on_start
    finally:
        for line in lines:
            line.__exit__(None, None, None)
