"""What the supervisor tells its child processes, as private JSON files in the run's folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.endpoints import TransportSettings


def write_private(path: Path, text: str) -> None:
    """Replace the file at once, readable by this user only (camera addresses hold passwords)."""
    temporary = path.with_name(path.name + ".tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@dataclass(frozen=True)
class _Orders:
    def save(self, path: Path) -> None:
        """Write to a file that only this user can read."""
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        fields = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**fields, "transport": TransportSettings(**fields["transport"])})


@dataclass(frozen=True)
class WorkerOrders(_Orders):
    """What a worker process has to do.

    Attributes:
        number: of the worker, 0, 1, 2 ...
        run_uuid: of the run.
        run_folder: holds spool and journal.
        config: the effective `RunConfig` as JSON.
        cameras: ids of the cameras that this worker owns.
        stages: import string of the `StageFactory`.
        transport: how to reach the hub.
        progress_endpoint: where heartbeats go.
        parent_pid: the supervisor; when it is gone the worker ends.
    """

    number: int
    run_uuid: str
    run_folder: str
    config: dict[str, Any]
    cameras: list[str]
    stages: str
    transport: TransportSettings
    progress_endpoint: str
    parent_pid: int


@dataclass(frozen=True)
class HubOrders(_Orders):
    """What the hub process has to do.

    Attributes:
        run_uuid: of the run.
        run_folder: holds the run's state.
        config: the effective `RunConfig` as JSON.
        store_url: SQLAlchemy URL.
        media_dir: folder of the crops.
        listener: import string of a function that makes a `HubListener`; None for none.
        transport: where to listen.
        parent_pid: the supervisor; when it is gone the hub ends.
    """

    run_uuid: str
    run_folder: str
    config: dict[str, Any]
    store_url: str
    media_dir: str
    listener: str | None
    transport: TransportSettings
    parent_pid: int
