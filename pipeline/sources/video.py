"""A recording: every frame, in order, with its own time stamp."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

import cv2
import numpy as np

from pipeline.config import CameraConfig
from pipeline.errors import SourceError
from pipeline.frames import Frame
from pipeline.sources.base import SourceInfo, WarningList
from pipeline.sources.capture import open_file
from pipeline.sources.rate import RateCap
from pipeline.sources.start_time import recording_start

DEFAULT_FPS = 25.0


class VideoSource:
    """Frames of a video file (or of one on a web server), decoded by FFmpeg through OpenCV.

    A file that ends early yields what can be decoded and adds a warning. Seeking decodes from the
    beginning without converting colours: slower than jumping, but exact for every file, also those
    with a variable frame rate.

    Args:
        config: the camera; its url is a path or an http(s) address of a recording.

    Raises:
        SourceError: the file cannot be opened or holds no picture.
    """

    def __init__(self, config: CameraConfig) -> None:
        self.camera = config.id
        self._config = config
        self._warnings = WarningList(config.id)
        self._capture = open_file(config.url)
        self._closed = False
        if not self._capture.isOpened():
            raise self._error("cannot be opened; it is damaged, incomplete or not a video")
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self._fps = fps if math.isfinite(fps) and 0 < fps <= 1000 else DEFAULT_FPS
        if self._fps != fps:
            self._warnings.add(f"frame rate unknown; assuming {DEFAULT_FPS:g} frames/s")
        start, origin = recording_start(config, self._warnings)
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._info = SourceInfo(
            width=int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            fps=self._fps,
            frame_count=count if count > 0 else None,
            is_live=False,
            start_time_utc=start,
            start_time_origin=origin,
            url=config.display_url,
        )
        self._rewind()

    @property
    def info(self) -> SourceInfo:
        """Size, rate and length as the file announces them."""
        return self._info

    @property
    def warnings(self) -> list[str]:
        """What went wrong so far."""
        return self._warnings.lines

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames that the rate cap keeps; indices are those of the file."""
        while self._advance():
            if self._cap.keeps(self._offset_s):
                ok, image = self._capture.retrieve()
                if not ok:
                    self._warnings.add(f"frame {self._next - 1} cannot be decoded; skipped")
                    continue
                yield self._frame(image)

    def seek(self, frame_index: int) -> None:
        """Continue at `frame_index`; beyond the end nothing more is yielded."""
        if frame_index < 0:
            raise ValueError(f"frame index {frame_index} is negative")
        if frame_index < self._next and not self._closed:
            self._capture.release()
            self._capture = open_file(self._config.url)
            self._rewind()
        while self._next < frame_index and self._advance():
            self._cap.keeps(self._offset_s)

    def close(self) -> None:
        """Release the decoder; a running iteration ends at its next frame."""
        self._closed = True

    def _rewind(self) -> None:
        self._next = 0
        self._first_ms = 0.0
        self._offset_s = 0.0
        self._ended = False
        self._cap = RateCap(self._config.fps_cap)

    def _advance(self) -> bool:
        """Decode the next frame (without conversion); False at the end."""
        if self._closed or self._ended:
            self._capture.release()
            return False
        if not self._capture.grab():
            self._ended = True
            self._report_end()
            return False
        self._offset_s = self._time_stamp()
        self._next += 1
        return True

    def _time_stamp(self) -> float:
        """Seconds since the first frame: the file's stamp if it moves forward, else index/fps."""
        milliseconds = float(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        if self._next == 0:
            self._first_ms = milliseconds if math.isfinite(milliseconds) else 0.0
            return 0.0
        offset = (milliseconds - self._first_ms) / 1000
        gap = offset - self._offset_s
        limit = max(3600.0, 100 / self._fps)
        if math.isfinite(offset) and 0 < gap < limit:
            return offset
        return max(self._next / self._fps, self._offset_s + 1e-3)

    def _frame(self, image: cv2.typing.MatLike) -> Frame:
        return Frame(
            camera=self.camera,
            index=self._next - 1,
            time_utc=self._info.start_time_utc + timedelta(seconds=self._offset_s),
            image_bgr=np.asarray(image, np.uint8),
            offset_s=self._offset_s,
        )

    def _report_end(self) -> None:
        expected = self._info.frame_count
        if self._next == 0:
            raise self._error("no frame can be decoded; it is damaged or empty")
        if expected is not None and self._next < expected - 1:
            self._warnings.add(
                f"{self._info.url} ended early: {expected} frames expected, got {self._next}; "
                "the file is truncated or damaged"
            )

    def _error(self, reason: str) -> SourceError:
        return SourceError(self.camera, self._config.display_url, reason)
