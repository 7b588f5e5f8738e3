"""When a recording began."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from pipeline.config import CameraConfig
from pipeline.sources.base import WarningList

_EPOCH_1904 = datetime(1904, 1, 1, tzinfo=UTC)
_MAX_BOXES = 10_000


def recording_start(config: CameraConfig, warnings: WarningList) -> tuple[datetime, str]:
    """Find the time of a recording's first frame, clock offset included.

    Returns:
        the UTC time and where it comes from; a guess adds a warning that says so.
    """
    time, origin = _uncorrected(config)
    if origin != "configuration":
        warnings.add(
            f"no start_time in the configuration; used the {origin}, {time:%Y-%m-%dT%H:%M:%SZ}"
        )
    return time + timedelta(seconds=config.clock_offset_s), origin


def _uncorrected(config: CameraConfig) -> tuple[datetime, str]:
    if config.start_time is not None:
        return config.start_time, "configuration"
    path = Path(config.url)
    if not path.exists():
        return datetime.now(UTC), "time of opening"
    created = mp4_creation_time(path) if path.is_file() else None
    if created is not None:
        return created, "file metadata"
    return datetime.fromtimestamp(path.stat().st_mtime, UTC), "file modification time"


def mp4_creation_time(path: Path) -> datetime | None:
    """Read the creation time in an MP4 or MOV file's movie header; None if there is none."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            movie = _find_box(file, 0, size, b"moov")
            header = _find_box(file, *movie, b"mvhd") if movie else None
            if header is None:
                return None
            file.seek(header[0])
            data = file.read(12)
    except OSError:
        return None
    if len(data) < 12:
        return None
    seconds = struct.unpack(">Q" if data[0] == 1 else ">I", data[4 : 12 if data[0] == 1 else 8])[0]
    if seconds == 0 or seconds > 2**33:
        return None
    time = _EPOCH_1904 + timedelta(seconds=seconds)
    return time if time.year >= 1990 else None


def _find_box(file: BinaryIO, start: int, end: int, kind: bytes) -> tuple[int, int] | None:
    """Return (first byte, end) of the content of a box among those in [start, end)."""
    position = start
    for _ in range(_MAX_BOXES):
        if position + 8 > end:
            return None
        file.seek(position)
        length, name = struct.unpack(">I4s", file.read(8))
        content = position + 8
        if length == 1:
            extended = file.read(8)
            if len(extended) < 8:
                return None
            length = struct.unpack(">Q", extended)[0]
            content += 8
        elif length == 0:
            length = end - position
        if length < content - position:
            return None
        if name == kind:
            return content, min(position + length, end)
        position += length
    return None
