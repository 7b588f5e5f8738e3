"""Picture files beside the database: written whole or not at all, never outside their folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

from storage.errors import StoreError

CROPS = "crops"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_UUID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def check_uuid(uuid: str) -> str:
    """Return ``uuid`` if it can be part of a file name.

    Raises:
        StoreError: it holds anything but 1 to 64 letters, digits, ``-`` and ``_``.
    """
    if not _UUID.fullmatch(uuid):
        raise StoreError(f"{uuid[:80]!r} is not a valid uuid")
    return uuid


def folder_name(camera: str) -> str:
    """Return a folder name for any camera id; different ids give different names."""
    safe = _UNSAFE.sub("_", camera)[:80].lstrip(".")
    if safe == camera and safe:
        return safe
    return f"{safe}-{hashlib.sha256(camera.encode('utf-8', 'replace')).hexdigest()[:8]}"


def crop_path(camera: str, start_s: float, uuid: str, rank: int) -> str:
    """Return ``crops/<camera>/<yyyy-mm-dd>/<uuid>_<rank>.jpg``, the day being UTC."""
    day = datetime.fromtimestamp(start_s, UTC).strftime("%Y-%m-%d")
    return f"{CROPS}/{folder_name(camera)}/{day}/{check_uuid(uuid)}_{rank}.jpg"


class MediaFolder:
    """The folder that holds the crops."""

    def __init__(self, root: Path, *, fsync: bool = True) -> None:
        """Use ``root``.

        Args:
            root: the folder; it is created by the first write.
            fsync: wait for the disk after each write. False is faster, but a power cut may
                leave rows whose pictures are empty.
        """
        self.root = root
        self._fsync = fsync

    def locate(self, relative: str) -> Path:
        """Return the absolute path of ``relative``, a ``/`` separated path.

        Raises:
            StoreError: the path is absolute, has ``..``, or a link leads out of the folder.
        """
        parts = PurePosixPath(relative).parts
        odd = "\\" in relative or "\0" in relative or PureWindowsPath(relative).drive
        if not parts or odd or ".." in parts or PurePosixPath(relative).is_absolute():
            raise StoreError(f"{relative!r} is not a path inside the media folder {self.root}")
        root = self.root.resolve()
        path = root.joinpath(*parts)
        if not path.resolve().is_relative_to(root):
            raise StoreError(f"{relative!r} leads out of the media folder {self.root}")
        return path

    def write(self, relative: str, data: bytes) -> None:
        """Write ``data`` under ``relative``: readers see the whole file or none.

        Raises:
            StoreError: the path is refused or the disk refuses the data.
        """
        path = self.locate(relative)
        temporary = ""
        try:
            handle, temporary = _temporary_beside(path)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                if self._fsync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
            if self._fsync:
                _sync_folder(path.parent)
        except OSError as error:
            if temporary:
                Path(temporary).unlink(missing_ok=True)
            raise StoreError(f"{path}: cannot write: {error.strerror or error}") from error

    def read(self, relative: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            StoreError: the path is refused, or the file is missing or unreadable.
        """
        path = self.locate(relative)
        try:
            return path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path}: cannot read: {error.strerror or error}") from error

    def delete(self, relative: str) -> bool:
        """Remove a file and the folders it leaves empty; False if it was not there.

        Raises:
            StoreError: the path is refused or the file cannot be removed.
        """
        path = self.locate(relative)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"{path}: cannot remove: {error.strerror or error}") from error
        with contextlib.suppress(OSError):  # a folder that is not empty stays
            for folder in path.parents:
                if folder == self.root.resolve():
                    break
                folder.rmdir()
        return True

    def files(self, min_age_s: float = 0.0) -> Iterator[str]:
        """Yield the relative path of every crop last written ``min_age_s`` seconds ago or more.

        Unfinished crops are among them; files outside ``crops`` are none of the archive's.
        """
        newest = time.time() - min_age_s
        for folder, _, names in os.walk(self.root / CROPS):
            for name in sorted(names):
                path = Path(folder, name)
                try:
                    old = path.lstat().st_mtime <= newest
                except FileNotFoundError:
                    continue
                if old:
                    yield path.relative_to(self.root).as_posix()


def _temporary_beside(path: Path) -> tuple[int, str]:
    """Open a new file in the folder of ``path``, which an erasure may be removing just now."""
    for _ in range(3):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            return tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system can open folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
