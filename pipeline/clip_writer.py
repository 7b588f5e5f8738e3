"""Writing a clip that browsers play: H.264 in MP4 with PyAV, else VP8 in WebM with OpenCV."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Images = Iterable[NDArray[np.uint8]]


def clip_suffix() -> str:
    """Return ``.mp4`` if H.264 can be encoded here, else ``.webm``.

    PyAV's wheels bring an H.264 encoder; OpenCV's only bring VP8, which takes seven times as
    long and makes much larger files.
    """
    return ".mp4" if find_spec("av") else ".webm"


def write_clip(path: Path, images: Images, fps: float) -> int:
    """Write (H, W, 3) uint8 BGR pictures of one size as a video; returns how many.

    Args:
        path: ends in ``.mp4`` (needs PyAV) or ``.webm``.
        images: at least one; an odd last column or row is cut off.
        fps: pictures per second.

    Raises:
        OSError: the file cannot be written.
    """
    if path.suffix == ".mp4":
        return _write_h264(path, images, fps)
    return _write_vp8(path, images, fps)


def _even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut to even sides, which the codecs' colour format needs."""
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[: height - height % 2, : width - width % 2])


def _write_h264(path: Path, images: Images, fps: float) -> int:
    import av

    try:
        return _encode_h264(av, path, images, fps)
    except av.FFmpegError as error:
        raise OSError(f"{path} cannot be written as an H.264 video: {error}") from error


def _encode_h264(av: Any, path: Path, images: Images, fps: float) -> int:
    count = 0
    stream: Any = None
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        for image in images:
            picture = _even(image)
            if stream is None:
                rate = Fraction(fps).limit_denominator(1000)
                stream = container.add_stream("libx264", rate=rate)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"preset": "veryfast", "crf": "24", "g": str(max(1, round(fps)))}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            count += 1
        if stream is not None:
            container.mux(stream.encode())
    return count


def _write_vp8(path: Path, images: Images, fps: float) -> int:
    count = 0
    writer: cv2.VideoWriter | None = None
    try:
        for image in images:
            picture = _even(image)
            if writer is None:
                size = (picture.shape[1], picture.shape[0])
                code = cv2.VideoWriter.fourcc(*"VP80")
                writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, size)
                if not writer.isOpened():
                    raise OSError(f"{path} cannot be written as a VP8 video")
            writer.write(picture)
            count += 1
    finally:
        if writer is not None:
            writer.release()
    return count
