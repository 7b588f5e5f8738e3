"""Closed tracklets on disk until the hub says that they are in the database."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from uuid import UUID

from pipeline.wire import is_intact

logger = logging.getLogger(__name__)

_SUFFIX = ".xw"


class Spool:
    """A folder with one file per tracklet that has not been acknowledged.

    A file appears complete or not at all (written under another name, synced, renamed). All
    methods may be called from several threads.

    Args:
        folder: created if missing; leftovers of interrupted writes are removed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("*.tmp"):
            leftover.unlink(missing_ok=True)
        found = [path for path in folder.glob(f"*{_SUFFIX}") if _is_uuid(path.stem)]
        found.sort(key=lambda path: (path.stat().st_mtime_ns, path))
        self._pending = dict.fromkeys(path.stem for path in found)

    def put(self, uuid: str, payload: bytes) -> None:
        """Keep the payload until `ack(uuid)`. Raises ValueError if `uuid` is not a UUID."""
        target = self._path(uuid)
        temporary = target.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        with self._lock:
            temporary.replace(target)
            self._pending[uuid] = None
        self._sync_folder()

    def pending(self) -> list[str]:
        """Uuids that wait for an acknowledgement, oldest first."""
        with self._lock:
            return list(self._pending)

    def __len__(self) -> int:
        with self._lock:
            return len(self._pending)

    def get(self, uuid: str) -> bytes | None:
        """The payload, or None if it was acknowledged meanwhile or is damaged.

        A damaged file (torn by a full disk or a power cut) is set aside with a warning.
        """
        try:
            payload = self._path(uuid).read_bytes()
        except FileNotFoundError:
            with self._lock:
                self._pending.pop(uuid, None)
            return None
        if not is_intact(payload):
            self.set_aside(uuid, "the file is damaged")
            return None
        return payload

    def ack(self, uuid: str) -> None:
        """The hub has it: forget it. Doing it twice is harmless."""
        with self._lock:
            self._path(uuid).unlink(missing_ok=True)
            self._pending.pop(uuid, None)

    def set_aside(self, uuid: str, reason: str) -> Path:
        """Move a payload that can never be stored into `bad/`, with a warning; return its path."""
        folder = self.folder / "bad"
        folder.mkdir(exist_ok=True)
        target = folder / f"{UUID(uuid)}{_SUFFIX}"
        with self._lock:
            source = self._path(uuid)
            if source.exists():
                source.replace(target)
            self._pending.pop(uuid, None)
        logger.warning("tracklet %s was set aside as %s: %s", uuid, target, reason)
        return target

    def _path(self, uuid: str) -> Path:
        return self.folder / f"{UUID(uuid)}{_SUFFIX}"

    def _sync_folder(self) -> None:
        """Make the rename durable against power loss, where the system can do it."""
        try:
            handle = os.open(self.folder, os.O_RDONLY)
        except OSError:
            return
        try:
            os.fsync(handle)
        except OSError:
            logger.debug("%s cannot be synced", self.folder)
        finally:
            os.close(handle)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
