"""The frames of a recording between two moments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline.config import CameraConfig, SourceKind
from pipeline.errors import SourceError
from pipeline.sources import open_source
from pipeline.sources.capture import open_file

TimedImage = tuple[float, NDArray[np.uint8]]

_JUMP_S = 20.0
"""Decoding that much costs less than the doubt about a file's index."""


class ClipError(ValueError):
    """A clip cannot be made; the text is one sentence for the operator."""


def recording_config(camera: str, source: str, start: datetime) -> CameraConfig:
    """Return settings that read a tracklet's recording.

    Args:
        camera: id of the camera.
        source: the tracklet's source: a file, a folder of images or ``demo:<view>``.
        start: time of the recording's first frame.

    Raises:
        ClipError: it is a live stream, or the recording is no longer there.
    """
    is_path = "://" not in source and not source.startswith("demo:") and not source.isdigit()
    if is_path and not Path(source).exists():
        raise ClipError(
            f"The recording {source} is no longer there, so the clip cannot be played; "
            "put it back or look at the pictures."
        )
    try:
        config = CameraConfig(id=camera, url=source, start_time=start if is_path else None)
    except ValidationError as error:
        raise ClipError(f"The recording {source} cannot be read.") from error
    if config.kind in (SourceKind.STREAM, SourceKind.WEBCAM):
        raise ClipError(
            f"Camera {camera} is live and its pictures were not recorded, "
            "so there is no clip to play."
        )
    return config


def frames_between(config: CameraConfig, start_s: float, end_s: float) -> Iterator[TimedImage]:
    """Yield (seconds from the start of the recording, (H, W, 3) uint8 BGR image).

    Raises:
        ClipError: the recording cannot be read.
    """
    start_s = max(start_s, 0.0)
    if config.kind is SourceKind.VIDEO and start_s > _JUMP_S:
        jumped = _jump(config.url, start_s)
        if jumped is not None:
            yield from _read(*jumped, start_s, end_s)
            return
    try:
        source = open_source(config)
        try:
            source.seek(int(start_s * source.info.fps) if source.info.fps else 0)
            for frame in source:
                if frame.offset_s > end_s:
                    return
                if frame.offset_s >= start_s:
                    yield frame.offset_s, frame.image_bgr
        finally:
            source.close()
    except SourceError as error:
        raise ClipError(f"The recording cannot be read: {error}.") from error


def _jump(path: str, start_s: float) -> tuple[cv2.VideoCapture, float] | None:
    """Open a recording shortly before ``start_s``; None if its index cannot be trusted.

    Returns:
        the capture and the time stamp of the file's first frame in seconds.
    """
    capture = open_file(path)
    if capture.grab():
        first_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        capture.set(cv2.CAP_PROP_POS_MSEC, max(0.0, start_s - 1.0) * 1000)
        if capture.grab():
            now_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 - first_s
            if start_s - _JUMP_S <= now_s <= start_s:
                return capture, first_s
    capture.release()
    return None


def _read(
    capture: cv2.VideoCapture, first_s: float, start_s: float, end_s: float
) -> Iterator[TimedImage]:
    """Decode on; frames before ``start_s`` are only skipped."""
    try:
        while capture.grab():
            offset_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 - first_s
            if offset_s > end_s:
                return
            if offset_s >= start_s:
                done, image = capture.retrieve()
                if done:
                    yield offset_s, np.asarray(image, np.uint8)
    finally:
        capture.release()
