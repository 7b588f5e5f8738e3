"""Opening OpenCV captures without noise on standard error."""

from __future__ import annotations

import os

import cv2

_AV_LOG_QUIET = "-8"


def open_file(location: str) -> cv2.VideoCapture:
    """Open a recording with FFmpeg; check `isOpened` on the result."""
    _be_quiet()
    return cv2.VideoCapture(location, cv2.CAP_FFMPEG)


def open_stream(location: str, timeout_s: float) -> cv2.VideoCapture:
    """Open a network stream; opening and each read give up after `timeout_s` seconds."""
    _be_quiet()
    milliseconds = max(int(timeout_s * 1000), 1)
    parameters = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds),
    ]
    return cv2.VideoCapture(location, cv2.CAP_FFMPEG, parameters)


def open_webcam(index: int) -> cv2.VideoCapture:
    """Open a local camera by its index."""
    _be_quiet()
    return cv2.VideoCapture(index)


def _be_quiet() -> None:
    """FFmpeg reports broken files on standard error; our own warnings say it better."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _AV_LOG_QUIET)
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
