"""SIGINT and SIGTERM as events."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals(stop: threading.Event, hurry: threading.Event) -> Iterator[threading.Event]:
    """While the block runs, SIGINT and SIGTERM set `stop`, and `hurry` if it was set already.

    Outside the main thread, where Python does not allow handlers, signals stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(number: int, frame: object) -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
