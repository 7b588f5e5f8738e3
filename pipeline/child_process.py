"""A worker or hub as the supervisor sees it: started, watched, started again, stopped."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pipeline
from pipeline.child import EXIT_CONFIG, EXIT_LISTENER, error_file, ready_file
from pipeline.run_folder import RunFolder

logger = logging.getLogger(__name__)

ChildState = Literal["new", "running", "waiting", "done", "failed"]
"""`waiting` for its next start after a crash; `done` and `failed` are final."""


@dataclass(frozen=True)
class RestartPolicy:
    """How often a crashed process is started again.

    Attributes:
        most: crashes in a row after which it is given up.
        first_wait_s: seconds before the first restart, doubled each time.
        longest_wait_s: most seconds between restarts.
        healthy_s: seconds after which a process counts as well and earlier crashes are forgotten.
    """

    most: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 10.0
    healthy_s: float = 60.0


class ChildProcess:
    """One process of the run.

    Args:
        name: for logs, such as `worker-0`.
        module: run with `python -m`, its argument is the orders file.
        folder: of the run.
        lock: file descriptor of the run's claim, inherited by the process.
        policy: how often it is started again.
    """

    def __init__(
        self, name: str, module: str, folder: RunFolder, lock: int, policy: RestartPolicy
    ) -> None:
        self.name = name
        self.restarts = 0
        self.warnings: list[str] = []
        self.config_error: str | None = None
        self._module = module
        self._folder = folder
        self._lock = lock
        self._policy = policy
        self._process: subprocess.Popen[bytes] | None = None
        self._state: ChildState = "new"
        self._start_at = 0.0
        self._started = 0.0
        self._crashes = 0
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Process id; None while there is no process."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process; its standard error is appended to the run's log."""
        orders = self._folder.orders(self.name)
        for file in (error_file(orders), ready_file(orders)):
            file.unlink(missing_ok=True)
        roots = [str(Path(pipeline.__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, roots))}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            with self._folder.log(self.name).open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", self._module, str(orders)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    pass_fds=(self._lock,),
                    start_new_session=True,
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._started = time.monotonic()
        self._state = "running"

    def check(self) -> ChildState:
        """Look after the process: notice its end, start it again when it is time."""
        if self._state == "waiting" and time.monotonic() >= self._start_at:
            self.start()
        elif self._state == "running" and self._process is not None:
            code = self._process.poll()
            if code is not None:
                self._ended(code)
        return self._state

    def is_ready(self) -> bool:
        """Whether the process has said that it can do its work."""
        return ready_file(self._folder.orders(self.name)).exists()

    def ask_to_stop(self) -> None:
        """Send SIGTERM; from now on it is not started again."""
        self._stopping = True
        if self._state in ("new", "waiting"):
            self._state = "done"
        elif self._state == "running" and self._process is not None:
            self._process.terminate()

    def wait(self, timeout_s: float) -> ChildState:
        """Wait for the end; kill the process after `timeout_s` seconds."""
        if self._process is not None and self._state == "running":
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.warnings.append(f"{self.name} did not end within {timeout_s:.0f} s; killed")
                logger.warning("%s", self.warnings[-1])
                self.kill()
        return self.check()

    def kill(self) -> None:
        """End the process at once."""
        self._stopping = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _ended(self, code: int) -> None:
        if code == 0:
            self._state = "done"
        elif code == EXIT_LISTENER:
            self._warn("association failed at times", code)
            self._state = "done"
        elif code == EXIT_CONFIG:
            self._state = "failed"
            message = error_file(self._folder.orders(self.name))
            self.config_error = message.read_text() if message.exists() else f"{self.name} failed"
        elif self._stopping:
            self._warn("ended without closing down", code)
            self._state = "failed"
        else:
            self._crashed(code)

    def _crashed(self, code: int) -> None:
        policy = self._policy
        if time.monotonic() - self._started > policy.healthy_s:
            self._crashes = 0
        self._crashes += 1
        if self._crashes > policy.most:
            self._warn(f"crashed {self._crashes} times in a row and is given up", code)
            self._state = "failed"
            return
        wait_s = min(policy.first_wait_s * 2 ** (self._crashes - 1), policy.longest_wait_s)
        self._warn(f"crashed, is started again in {wait_s:.1f} s", code)
        self.restarts += 1
        self._start_at = time.monotonic() + wait_s
        self._state = "waiting"

    def _warn(self, what: str, code: int) -> None:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        self.warnings.append(f"{self.name} {what} ({how}); see {self._folder.log(self.name)}")
        logger.warning("%s", self.warnings[-1])
