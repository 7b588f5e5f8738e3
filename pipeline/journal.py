"""What was seen in each frame of a recording, so that a stopped run can be taken up again.

A journal is an append-only file per camera. Replaying it through a new tracker gives exactly the
tracklets of the first pass, because the tracker only ever sees what the journal holds (features
rounded to float16 included). It is also the cache from which trackers are tuned without the
detector and the embedder: `Journal.read(path)`.
"""

from __future__ import annotations

import logging
import os
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.journal_records import (
    JournalFrame,
    JournalHead,
    Record,
    pack_record,
    unpack_record,
)
from pipeline.wire import WireError

logger = logging.getLogger(__name__)

MAGIC = b"XWJOURNAL1\n"
_FRAMING = struct.Struct("<II")
_MOST_BYTES = 256 * 1024 * 1024
_BUFFER_BYTES = 1 << 20


class Journal:
    """Appends records; opening an existing journal cuts a torn tail off.

    Args:
        path: of the file, created if missing. A file that is no journal is moved aside.
        flush_every_s: seconds after which buffered records are handed to the system; what was not
            is lost (and done again after a resume) if the process is killed.
    """

    def __init__(self, path: Path, flush_every_s: float = 1.0) -> None:
        self.path = path
        self._flush_every_s = flush_every_s
        path.parent.mkdir(parents=True, exist_ok=True)
        _repair(path)
        self._file: BinaryIO = path.open("ab", buffering=_BUFFER_BYTES)
        if self._file.tell() == 0:
            self._file.write(MAGIC)
        self._flushed = time.monotonic()

    def append(self, record: Record) -> None:
        """Add a record; it reaches the system within `flush_every_s` if others follow."""
        body = pack_record(record)
        self._file.write(_FRAMING.pack(len(body), zlib.crc32(body)) + body)
        if time.monotonic() - self._flushed >= self._flush_every_s:
            self.flush()

    def flush(self, *, sync: bool = False) -> None:
        """Hand everything to the system; with `sync` also to the disk."""
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush and close."""
        if not self._file.closed:
            self.flush()
            self._file.close()

    @staticmethod
    def read(path: Path) -> Iterator[JournalFrame]:
        """The observed frames in order; ends quietly at a torn tail.

        Raises FileNotFoundError, and WireError if the file is no journal.
        """
        return (record for record in read_records(path) if isinstance(record, JournalFrame))


def read_head(path: Path) -> JournalHead | None:
    """What the journal says about its camera; None if it does not exist or holds nothing yet."""
    try:
        first = next(read_records(path), None)
    except (FileNotFoundError, WireError):
        return None
    return first if isinstance(first, JournalHead) else None


def read_records(path: Path) -> Iterator[Record]:
    """All intact records from the beginning; ends at a torn tail.

    Raises FileNotFoundError, and WireError if the file is no journal.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise WireError(f"{path}: not a journal")
        for body in _bodies(file):
            yield unpack_record(body)


def _bodies(file: BinaryIO) -> Iterator[bytes]:
    while True:
        framing = file.read(_FRAMING.size)
        if len(framing) < _FRAMING.size:
            return
        length, checksum = _FRAMING.unpack(framing)
        if length > _MOST_BYTES:
            return
        body = file.read(length)
        if len(body) < length or zlib.crc32(body) != checksum:
            return
        yield body


def _repair(path: Path) -> None:
    """Cut a torn tail off; move a file that is no journal aside."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("r+b") as file:
        magic = file.read(len(MAGIC))
        if magic == MAGIC:
            good = len(MAGIC)
            for body in _bodies(file):
                good += _FRAMING.size + len(body)
            torn = path.stat().st_size - good
            if torn:
                logger.warning("%s: cut a torn tail of %d bytes", path, torn)
                file.truncate(good)
            return
    if MAGIC.startswith(magic):
        path.unlink()
        return
    aside = path.with_suffix(f"{path.suffix}.bad")
    path.replace(aside)
    logger.warning("%s is no journal; moved to %s, the camera begins anew", path, aside)
