"""Clips around tracklets, cut from the recordings when an operator asks for them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.clip_drawing import box_at, draw_box, draw_caption
from pipeline.clip_frames import ClipError, TimedImage, frames_between, recording_config
from pipeline.clip_writer import clip_suffix, write_clip
from pipeline.search_results import person_title
from pipeline.search_rows import labels
from storage.errors import StoreError
from storage.store import Store
from storage.tracklets import Tracklet

__all__ = ["Clip", "ClipCutter", "ClipError", "remove_all_clips"]

CLIPS = "clips"
_GAP_S = 1.0
_PARTIAL = ".part-"


@dataclass(frozen=True)
class Clip:
    """A playable file.

    Attributes:
        path: absolute, inside the media folder.
        tracklet_uuid: what it shows.
        camera: id of the camera.
        start_s: POSIX seconds at which the tracklet, not the clip, begins.
        end_s: POSIX seconds at which it ends.
        title: the person's name as drawn.
    """

    path: Path
    tracklet_uuid: str
    camera: str
    start_s: float
    end_s: float
    title: str


@dataclass(frozen=True)
class _Caption:
    title: str
    camera: str
    zone: str


class ClipCutter:
    """Cuts clips on demand and keeps the latest; threads may share it.

    Args:
        store: the archive; clips lie in ``clips`` of its media folder.
        padding_s: seconds shown before and after the tracklet. Raising it makes clips slower to
            cut.
        max_bytes: size of all kept clips; the one played longest ago goes first.
        max_side_px: longer side of the picture. Raising it makes clips larger and slower to cut.
        max_fps: most pictures per second. Raising it makes motion smoother and cutting slower.
    """

    def __init__(
        self,
        store: Store,
        *,
        padding_s: float = 3.0,
        max_bytes: int = 500_000_000,
        max_side_px: int = 960,
        max_fps: float = 15.0,
    ) -> None:
        self._store = store
        self._padding_s = padding_s
        self._max_bytes = max_bytes
        self._max_side_px = max_side_px
        self._max_fps = max_fps
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where the clips lie."""
        return self._store.media.locate(CLIPS)

    def cut(self, uuid: str) -> Clip:
        """Return the clip around a tracklet, with the person's box, camera and local time.

        Raises:
            ClipError: there is no such tracklet, its recording is gone or damaged, it was live
                and not recorded, or the disk refuses the file.
        """
        try:
            tracklet = self._store.tracklet(uuid)
            caption = self._caption(tracklet)
        except StoreError as error:
            raise ClipError(f"The clip cannot be cut: {error}.") from error
        told = repr((self._padding_s, self._max_side_px, self._max_fps, caption))
        name = f"{uuid}-{sha256(told.encode()).hexdigest()[:12]}{clip_suffix()}"
        path = self.folder / name
        with self._lock:
            if path.exists():
                os.utime(path)
            else:
                self._write(path, tracklet, caption)
                self._trim(path)
        span = (tracklet.start_s, tracklet.end_s)
        return Clip(path, uuid, tracklet.camera, *span, caption.title)

    def _caption(self, tracklet: Tracklet) -> _Caption:
        link = self._store.links([tracklet.uuid]).get(tracklet.uuid)
        identity = link.identity_id if link else None
        known = labels(self._store, [] if identity is None else [identity])
        title = person_title(identity, known.get(identity) if identity is not None else None)
        camera = next(row for row in self._store.cameras() if row.id == tracklet.camera)
        return _Caption(title, camera.name, camera.timezone)

    def _write(self, path: Path, tracklet: Tracklet, caption: _Caption) -> None:
        """Write beside the final name, then rename: a player never sees half a clip."""
        first_s = tracklet.start_s - tracklet.source_offset_s
        start = datetime.fromtimestamp(first_s, UTC)
        config = recording_config(tracklet.camera, tracklet.source, start)
        span_s = tracklet.end_s - tracklet.start_s
        begin_s = tracklet.source_offset_s - self._padding_s
        frames = frames_between(config, begin_s, begin_s + span_s + 2 * self._padding_s)
        fps = min(tracklet.source_fps or self._max_fps, self._max_fps)
        images = (
            self._drawn(image, tracklet, tracklet.start_s + offset_s, caption)
            for offset_s, image in at_rate(
                ((at_s - tracklet.source_offset_s, image) for at_s, image in frames), fps
            )
        )
        partial = path.with_name(f"{_PARTIAL}{path.name}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if write_clip(partial, images, fps) == 0:
                raise ClipError(
                    f"The recording {tracklet.source} has no picture at this time; "
                    "it is shorter than it was."
                )
            partial.replace(path)
        except OSError as error:
            raise ClipError(f"The clip cannot be written: {error.strerror or error}.") from error
        finally:
            partial.unlink(missing_ok=True)

    def _drawn(
        self, image_bgr: NDArray[np.uint8], tracklet: Tracklet, time_s: float, caption: _Caption
    ) -> NDArray[np.uint8]:
        """Return the picture at its final size, with box, name, camera and time."""
        height, width = image_bgr.shape[:2]
        scale = min(1.0, self._max_side_px / max(height, width))
        size = (max(2, round(width * scale)), max(2, round(height * scale)))
        picture = np.array(
            cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA), np.uint8, copy=True
        )
        box = box_at(tracklet, time_s)
        if box is not None:
            draw_box(picture, box * np.float32(scale), caption.title)
        moment = datetime.fromtimestamp(time_s, ZoneInfo(caption.zone))
        draw_caption(picture, f"{caption.camera}   {moment:%Y-%m-%d %H:%M:%S %Z}")
        return picture

    def _trim(self, newest: Path) -> None:
        """Remove the clips played longest ago until the rest fits; ``newest`` stays."""
        kept = sorted(_clip_files(self.folder), key=lambda item: item[1], reverse=True)
        total = 0
        for path, _, size in kept:
            total += size
            if total > self._max_bytes and path != newest:
                path.unlink(missing_ok=True)


def at_rate(frames: Iterable[TimedImage], fps: float) -> Iterator[TimedImage]:
    """Drop or repeat frames so that they come ``fps`` times per second.

    A gap of more than a second is shortened to a cut.
    """
    due_s: float | None = None
    for offset_s, image in frames:
        if due_s is None or offset_s - due_s > _GAP_S:
            due_s = offset_s
        while offset_s >= due_s - 1e-6:
            yield offset_s, image
            due_s += 1 / fps


def remove_all_clips(store: Store) -> int:
    """Remove every kept clip and return how many; call it after people were erased.

    Any clip may show the erased person in passing, and every clip can be cut again.
    """
    paths = [path for path, _, _ in _clip_files(store.media.locate(CLIPS))]
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def _clip_files(folder: Path) -> list[tuple[Path, float, int]]:
    """Return (path, last played, bytes) of the clips of a folder that may not exist."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            found.append((path, status.st_mtime, status.st_size))
    return found
