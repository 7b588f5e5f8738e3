"""What worker and hub processes have in common: when to stop, and where to log."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Literal

from pipeline.process_files import write_private

logger = logging.getLogger(__name__)

EXIT_CONFIG = 2
"""The configuration or the database cannot be used; starting again would not help."""
EXIT_LISTENER = 3
"""Everything was stored but the hub's listener failed at least once."""

StopReason = Literal["asked", "orphaned"]


class StopWatch:
    """Knows whether and why this process should end.

    SIGTERM means that the supervisor asks; SIGINT is ignored because the supervisor passes it on
    in its own time. If the supervisor is gone, the process ends as well.

    Args:
        parent_pid: the supervisor's process id.
        poll_s: seconds between looks at the parent.
    """

    def __init__(self, parent_pid: int, poll_s: float = 0.5) -> None:
        self.reason: StopReason | None = None
        self.event = threading.Event()
        self._parent_pid = parent_pid
        self._poll_s = poll_s

    def start(self) -> None:
        """Install the signal handlers (main thread only) and watch the parent.

        The supervisor starts its children with SIGTERM blocked, so that one that comes early
        waits for the handler.
        """
        signal.signal(signal.SIGTERM, lambda number, frame: self.stop("asked"))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        threading.Thread(target=self._watch, name="parent-watch", daemon=True).start()

    def stop(self, reason: StopReason) -> None:
        """End soon; the first reason counts."""
        if self.reason is None:
            self.reason = reason
        self.event.set()

    def __bool__(self) -> bool:
        return self.event.is_set()

    def _watch(self) -> None:
        while not self.event.wait(self._poll_s):
            if os.getppid() != self._parent_pid:
                logger.warning("the supervisor is gone, ending; the run can be resumed")
                self.stop("orphaned")


def leave_error(orders: Path, error: Exception) -> int:
    """Log an error that a restart cannot cure, leave it for the supervisor; the exit code."""
    logger.error("%s", error)
    write_private(error_file(orders), str(error))
    return EXIT_CONFIG


def error_file(orders: Path) -> Path:
    """Where a child whose orders are in that file leaves such an error."""
    return orders.with_suffix(".error")


def ready_file(orders: Path) -> Path:
    """The file that a child whose orders are in that file makes when it can do its work."""
    return orders.with_suffix(".ready")


def log_to_stderr() -> None:
    """Log with time and process; the supervisor sends a child's standard error to a file."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
