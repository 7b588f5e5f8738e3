"""The log of a run: lines in log.jsonl and scalars for TensorBoard."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import torch
from torch.utils.tensorboard.writer import SummaryWriter

log = logging.getLogger(__name__)
_EVERY = 50


class TrainingLog:
    """Writes every 50th step and the last; use it as a context manager.

    Args:
        out: the run's folder. step: finished steps; what is there of later ones, of a run that
            was killed and is resumed, is dropped.
        active: False writes nothing (all processes but one).
    """

    def __init__(self, out: Path, step: int, active: bool = True) -> None:
        self._out = out
        self._writer = SummaryWriter(str(out / "tensorboard"), purge_step=step) if active else None
        if active:
            _drop_later(out / "log.jsonl", step)
        self._start = time.monotonic()
        self._pictures, self._preparing_s = 0, 0.0

    @contextmanager
    def preparing(self, device: str) -> Iterator[None]:
        """Counts the time in which a batch is made instead of the network being at work."""
        start = time.monotonic()
        yield
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        self._preparing_s += time.monotonic() - start

    def write(self, record: dict[str, float], pictures: int, last: bool) -> None:
        """One step's losses; on lines that are written also images/s and the time lost."""
        self._pictures += pictures
        step = int(record["step"])
        if self._writer is None or (step % _EVERY and not last):
            return
        seconds = max(time.monotonic() - self._start, 1e-9)
        line = record | {
            "images_per_s": self._pictures / seconds,
            "time_outside_model": self._preparing_s / seconds,
        }
        with (self._out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in line.items():
            self._writer.add_scalar(f"train/{name}", value, step)
        log.info("%s", line)
        self._start, self._pictures, self._preparing_s = time.monotonic(), 0, 0.0

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()


def _drop_later(path: Path, step: int) -> None:
    """Keep the whole lines of steps up to `step`."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except ValueError:  # cut by the end of the process
            continue
    path.write_text("".join(kept), encoding="utf-8")
