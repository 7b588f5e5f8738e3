"""Cutting people out of a frame and judging how good the picture is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

MIN_WIDTH_PX, MIN_HEIGHT_PX = 4, 8
"""Smaller boxes, after clipping to the picture, are not embedded."""

_GOOD_HEIGHT_PX = 160.0
_GOOD_SHARPNESS = 150.0
_USUAL_ASPECT = 0.42
_STORED_HEIGHT_PX = 384
_JPEG_QUALITY = 90
_BORDER_PX = 2.0


def clip_boxes(
    boxes_xyxy: NDArray[np.float32], frame_size_wh: tuple[int, int]
) -> NDArray[np.int64]:
    """Whole-pixel boxes inside the picture: (N, 4) int64; may be empty where nothing is left."""
    width, height = frame_size_wh
    low = np.floor(boxes_xyxy[:, :2])
    high = np.ceil(boxes_xyxy[:, 2:])
    limit = np.array([width, height], np.float32)
    return np.concatenate([np.clip(low, 0, limit), np.clip(high, 0, limit)], axis=1).astype(
        np.int64
    )


def usable(clipped_xyxy: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which clipped boxes are large enough to say anything: (N,) bool."""
    width = clipped_xyxy[:, 2] - clipped_xyxy[:, 0]
    height = clipped_xyxy[:, 3] - clipped_xyxy[:, 1]
    return np.asarray((width >= MIN_WIDTH_PX) & (height >= MIN_HEIGHT_PX))


def cut(image_bgr: NDArray[np.uint8], clipped_xyxy: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The (h, w, 3) part of the picture inside one clipped box; a view, not a copy."""
    left, top, right, bottom = (int(edge) for edge in clipped_xyxy)
    return image_bgr[top:bottom, left:right]


def encode_jpeg(crop_bgr: NDArray[np.uint8]) -> bytes:
    """The (h, w, 3) uint8 crop, which must not be empty, as JPEG of at most 384 pixels height."""
    height, width = crop_bgr.shape[:2]
    if height > _STORED_HEIGHT_PX:
        size = (max(1, round(width * _STORED_HEIGHT_PX / height)), _STORED_HEIGHT_PX)
        crop_bgr = np.asarray(cv2.resize(crop_bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, buffer = cv2.imencode(".jpg", crop_bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ValueError(f"a crop of shape {crop_bgr.shape} cannot be encoded")
    return buffer.tobytes()


def crop_quality(
    crop_bgr: NDArray[np.uint8],
    row: int,
    boxes_xyxy: NDArray[np.float32],
    score: float,
    frame_size_wh: tuple[int, int],
) -> float:
    """How useful the picture is for recognising the person, 0..1.

    The product of: height (full marks from 160 px), detector score, sharpness, closeness to a
    standing person's aspect ratio, wholeness (cut at the picture's edge or not) and the part of
    the box that no other box covers.

    Args:
        crop_bgr: (h, w, 3) picture of the box.
        row: which of the boxes it is.
        boxes_xyxy: (N, 4) all boxes of the frame, pixels.
        score: detector confidence of the box, 0..1.
        frame_size_wh: of the frame, pixels.
    """
    box = boxes_xyxy[row]
    width, height = max(float(box[2] - box[0]), 1.0), max(float(box[3] - box[1]), 1.0)
    size = min(1.0, height / _GOOD_HEIGHT_PX)
    off_aspect = np.log(width / height / _USUAL_ASPECT) / 0.6
    aspect = float(np.exp(-0.5 * off_aspect**2))
    factors = (
        size,
        float(np.clip(score, 0.0, 1.0)),
        _sharpness(crop_bgr),
        aspect,
        _wholeness(box, frame_size_wh),
        1.0 - _covered(row, boxes_xyxy),
    )
    return float(np.clip(np.prod(factors), 0.0, 1.0))


def _sharpness(crop_bgr: NDArray[np.uint8]) -> float:
    """Laplacian variance at a common size, squashed to 0.2..1."""
    gray = cv2.cvtColor(crop_bgr, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(gray, (64, 128), interpolation=cv2.INTER_AREA)
    variance = float(cv2.Laplacian(small, cv2.CV_32F).var())
    return 0.2 + 0.8 * variance / (variance + _GOOD_SHARPNESS)


def _wholeness(box_xyxy: NDArray[np.float32], frame_size_wh: tuple[int, int]) -> float:
    """1 for a box inside the picture, 0.6 per edge of the picture that cuts it."""
    width, height = frame_size_wh
    left, top, right, bottom = (float(edge) for edge in box_xyxy)
    cuts = (
        left <= _BORDER_PX,
        top <= _BORDER_PX,
        right >= width - _BORDER_PX,
        bottom >= height - _BORDER_PX,
    )
    return float(0.6 ** sum(cuts))


def _covered(row: int, boxes_xyxy: NDArray[np.float32]) -> float:
    """Largest part of the box that one other box covers, 0..1; boxes behind it count a third."""
    box = boxes_xyxy[row]
    others = np.delete(boxes_xyxy, row, axis=0)
    if not len(others):
        return 0.0
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    area = max(float(np.prod(box[2:] - box[:2])), 1.0)
    shared = np.prod(np.clip(sides, 0, None), axis=1) / area
    weight = np.where(others[:, 3] >= box[3], 1.0, 1 / 3)
    return float(min(1.0, np.max(shared * weight)))
