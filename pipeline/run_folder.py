"""A run's folder in the store: spool, journals, orders, logs and the state of the run."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pipeline.config import RunConfig
from pipeline.errors import ConfigError
from pipeline.process_files import write_private

logger = logging.getLogger(__name__)

RunState = Literal["running", "finished", "stopped", "failed"]
_SOURCE_KEYS = ("id", "url", "start_time", "fps_cap", "ignore_zones", "clock_offset_s")


@dataclass(frozen=True)
class RunFolder:
    """Paths and state of one run.

    Attributes:
        path: `STORE/runs/RUN_UUID`.
    """

    path: Path

    @property
    def run_uuid(self) -> str:
        """The run's uuid."""
        return self.path.name

    def spool(self, camera: str) -> Path:
        """Folder of the camera's undelivered tracklets."""
        return self.path / "spool" / camera

    def journal(self, camera: str) -> Path:
        """The camera's journal."""
        return self.path / "journal" / f"{camera}.xwj"

    def log(self, process: str) -> Path:
        """Where a child process logs."""
        return self.path / "logs" / f"{process}.log"

    def orders(self, process: str) -> Path:
        """What a child process is told."""
        return self.path / "orders" / f"{process}.json"

    def config(self) -> dict[str, Any]:
        """The effective configuration with which the run began."""
        config: dict[str, Any] = self._read()["config"]
        return config

    def state(self) -> RunState:
        """How the run stands; `running` also if it was killed."""
        state: RunState = self._read()["state"]
        return state

    def set_state(self, state: RunState) -> None:
        """Record how the run stands."""
        write_private(self._file, json.dumps({**self._read(), "state": state}))

    def created_s(self) -> float:
        """POSIX seconds at which the run began."""
        return float(self._read()["created_s"])

    def lock(self, wait_s: float) -> int:
        """Claim the run; return a file descriptor that child processes must inherit.

        The claim lasts until the last process that holds the descriptor has ended, so nobody
        resumes a run whose workers are still closing their files.

        Raises ConfigError if the run is still claimed after `wait_s` seconds.
        """
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
            except OSError:
                if time.monotonic() >= deadline:
                    os.close(handle)
                    raise ConfigError(
                        f"run {self.run_uuid} is still running in another process; stop that first"
                    ) from None
                time.sleep(0.1)

    def is_locked(self) -> bool:
        """Whether a process still works on the run."""
        try:
            os.close(self.lock(0.0))
        except ConfigError:
            return True
        return False

    def remove_journals(self) -> None:
        """Delete what only a resume needs."""
        for journal in (self.path / "journal").glob("*.xwj"):
            journal.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.path / "run.json"

    def _read(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        return fields


def create_run(store_dir: Path, config: RunConfig) -> RunFolder:
    """Make the folder of a new run."""
    folder = RunFolder(store_dir / "runs" / str(uuid4()))
    for part in ("journal", "logs", "orders", "spool"):
        (folder.path / part).mkdir(parents=True, mode=0o700)
    folder.path.chmod(0o700)
    record = {
        "state": "running",
        "created_s": time.time(),
        "config": config.model_dump(mode="json"),
    }
    write_private(folder.path / "run.json", json.dumps(record))
    return folder


def newest_unfinished(store_dir: Path) -> RunFolder | None:
    """The run of the store that began last and did not finish, None if there is none."""
    found: list[tuple[float, RunFolder]] = []
    for file in (store_dir / "runs").glob("*/run.json"):
        folder = RunFolder(file.parent)
        try:
            if folder.state() != "finished":
                found.append((folder.created_s(), folder))
        except (OSError, ValueError, KeyError) as error:
            logger.warning("%s cannot be read and is left out: %s", file, error)
    return max(found, key=lambda pair: pair[0])[1] if found else None


def check_same_sources(folder: RunFolder, config: RunConfig) -> None:
    """Raise ConfigError, one line per camera, if the run began with other sources."""
    before = _sources(folder.config())
    now = _sources(config.model_dump(mode="json"))
    lines = []
    for camera in sorted(before.keys() | now.keys()):
        if camera not in now:
            lines.append(f"cameras: {camera!r} is missing, the run began with it")
        elif camera not in before:
            lines.append(f"cameras: {camera!r} is new, the run began without it")
        else:
            keys = [key for key in _SOURCE_KEYS if before[camera][key] != now[camera][key]]
            lines += [f"cameras.{camera}.{key}: is not what the run began with" for key in keys]
    if lines:
        lines.append(
            f"run {folder.run_uuid} cannot be resumed with these sources; "
            "restore them, or start a new run without --resume"
        )
        raise ConfigError("\n".join(lines))


def _sources(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        camera["id"]: {key: camera.get(key) for key in _SOURCE_KEYS} for camera in config["cameras"]
    }
