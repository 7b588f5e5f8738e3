"""From an operator's picture to the people in it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.crops import clip_boxes, cut, usable
from trackers.detections import Detections

MAX_PIXELS = 80_000_000
NOBODY = "No person was found in the picture; the whole picture is used as the person."


class SearchError(ValueError):
    """A search cannot be made; the text is one sentence for the operator."""


class PersonDetector(Protocol):
    """What finds people in pictures; `pipeline.detector` is one."""

    def detect(self, images: list[NDArray[np.uint8]]) -> list[Detections]:
        """Return the people of each (H, W, 3) uint8 BGR picture."""


@dataclass(frozen=True)
class PeopleInPicture:
    """Who can be searched for.

    Attributes:
        boxes_xyxy: (N, 4) float32 pixels of the picture, N at least 1, largest person first.
        scores: (N,) float32 detector confidence 0..1; 0 for the whole picture.
        notice: a sentence for the operator if nobody was found, else None.
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    notice: str | None = None


def read_picture(picture: Path | bytes) -> NDArray[np.uint8]:
    """Return the (H, W, 3) uint8 BGR picture of a file or of a file's bytes, turned upright.

    Raises:
        SearchError: it is missing, not a picture, or larger than 80 million pixels.
    """
    name = "the picture" if isinstance(picture, bytes) else picture.name
    try:
        data = picture if isinstance(picture, bytes) else picture.read_bytes()
    except OSError as error:
        raise SearchError(f"{name} cannot be read: {error.strerror or error}.") from error
    unreadable = f"{name} is not a picture that can be read; use JPEG, PNG, WebP, BMP or TIFF."
    try:
        with Image.open(io.BytesIO(data)) as opened:
            width, height = opened.size
    except Image.DecompressionBombError as error:
        raise SearchError(f"{name} has far too many pixels; make it smaller.") from error
    except Exception as error:  # whatever a damaged file makes a decoder raise
        raise SearchError(unreadable) from error
    if width * height > MAX_PIXELS:
        raise SearchError(
            f"{name} has {width} × {height} pixels, more than {MAX_PIXELS // 10**6} million; "
            "make it smaller."
        )
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise SearchError(unreadable) from error
    if image is None:
        raise SearchError(unreadable)
    return np.asarray(image, np.uint8)


def detect_people(image_bgr: NDArray[np.uint8], detector: PersonDetector) -> PeopleInPicture:
    """Return the people of a picture to choose from; nobody means the whole picture.

    Args:
        image_bgr: (H, W, 3) uint8.
        detector: a loaded detector.

    Raises:
        SearchError: this is not a picture.
    """
    image = as_bgr(image_bgr)
    found = detector.detect([image])[0]
    size = (image.shape[1], image.shape[0])
    keep = usable(clip_boxes(found.boxes_xyxy, size))
    boxes, scores = found.boxes_xyxy[keep], found.scores[keep]
    if not len(boxes):
        whole = np.array([[0, 0, *size]], np.float32)
        return PeopleInPicture(whole, np.zeros(1, np.float32), NOBODY)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    order = np.argsort(-areas, kind="stable")
    return PeopleInPicture(boxes[order], scores[order])


def as_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8 picture with three channels.

    Raises:
        SearchError: it is none of these, or empty.
    """
    shape: tuple[int, ...] = getattr(image, "shape", ())
    if len(shape) not in (2, 3) or 0 in shape or getattr(image, "dtype", None) != np.uint8:
        raise SearchError("This is not a picture: an array (height, width, 3) of bytes is needed.")
    channels = 1 if len(shape) == 2 else shape[2]
    if channels == 3:
        return image
    codes = {1: cv2.COLOR_GRAY2BGR, 4: cv2.COLOR_BGRA2BGR}
    if channels not in codes:
        raise SearchError(f"A picture with {channels} channels cannot be searched for.")
    return np.asarray(cv2.cvtColor(image, codes[channels]), np.uint8)


def person_crop(
    image_bgr: NDArray[np.uint8], box_xyxy: NDArray[np.float32] | None
) -> NDArray[np.uint8]:
    """Return the part of a picture that a box holds, (h, w, 3) uint8 BGR.

    Args:
        image_bgr: (H, W, 3) uint8; grey and transparent ones are converted.
        box_xyxy: (4,) pixels, cut at the edges; None means the whole picture.

    Raises:
        SearchError: this is not a picture, or the box leaves fewer than 4 × 8 pixels of it.
    """
    image = as_bgr(image_bgr)
    size = (image.shape[1], image.shape[0])
    box = np.array([0, 0, *size], np.float32) if box_xyxy is None else np.asarray(box_xyxy)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise SearchError("A box has four numbers: left, top, right and bottom in pixels.")
    clipped = clip_boxes(box[None].astype(np.float32), size)
    if not usable(clipped)[0]:
        raise SearchError(
            "The chosen part of the picture is too small to recognise anybody; "
            "4 × 8 pixels are the least."
        )
    return np.ascontiguousarray(cut(image, clipped[0]))
