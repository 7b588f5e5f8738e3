"""What is drawn into a clip: the person's box and name, the camera and the local time."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from storage.tracklets import Tracklet

ACCENT_BGR = (76, 196, 255)
_INK_BGR = (24, 24, 24)
_PAPER_BGR = (255, 255, 255)
_MAX_GAP_S = 1.0


def box_at(tracklet: Tracklet, time_s: float) -> NDArray[np.float32] | None:
    """Return the box (4,) at a POSIX second, interpolated between the stored ones.

    None before the first, after the last, and inside gaps of more than a second.
    """
    times = tracklet.times_s
    after = int(np.searchsorted(times, time_s))
    half_frame = 0.5 / max(tracklet.source_fps, 1.0)
    if after == 0:
        return tracklet.boxes_xyxy[0] if times[0] - time_s <= half_frame else None
    if after == len(times):
        return tracklet.boxes_xyxy[-1] if time_s - times[-1] <= half_frame else None
    gap = float(times[after] - times[after - 1])
    share = float(time_s - times[after - 1]) / gap if gap > 0 else 0.0
    if gap > _MAX_GAP_S and 0 < share < 1:
        return None
    before, behind = tracklet.boxes_xyxy[after - 1], tracklet.boxes_xyxy[after]
    return np.asarray(before + (behind - before) * share, np.float32)


def draw_box(
    image_bgr: NDArray[np.uint8],
    box_xyxy: NDArray[np.float32],
    name: str,
    colour_bgr: tuple[int, int, int] = ACCENT_BGR,
) -> None:
    """Draw a box with a name above it (below its upper edge if there is no room) in place.

    Args:
        image_bgr: (H, W, 3) uint8, changed.
        box_xyxy: (4,) pixels; parts outside the picture are not drawn.
        name: one line.
        colour_bgr: of the box and of the plate behind the name.
    """
    thickness = max(2, round(image_bgr.shape[0] / 240))
    left, top, right, bottom = (round(float(edge)) for edge in box_xyxy)
    cv2.rectangle(image_bgr, (left, top), (right, bottom), _INK_BGR, thickness + 2)
    cv2.rectangle(image_bgr, (left, top), (right, bottom), colour_bgr, thickness)
    plate = text_plate(name, _text_px(image_bgr), colour_bgr, _INK_BGR)
    above = top - plate.shape[0]
    _paste(image_bgr, plate, left - thickness // 2, above if above >= 0 else top)


def draw_caption(image_bgr: NDArray[np.uint8], text: str) -> None:
    """Write a line into the lower left corner of an (H, W, 3) uint8 picture, in place."""
    plate = text_plate(text, _text_px(image_bgr), _INK_BGR, _PAPER_BGR)
    _paste(image_bgr, plate, 0, image_bgr.shape[0] - plate.shape[0])


@lru_cache(maxsize=64)
def text_plate(
    text: str, size_px: int, paper_bgr: tuple[int, int, int], ink_bgr: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Return a line of text on a coloured plate, (h, w, 3) uint8 BGR."""
    font = ImageFont.load_default(size_px)
    pad = max(2, size_px // 3)
    left, _, right, _ = font.getbbox(text)
    width, height = int(right - left) + 2 * pad, size_px + pad + 2
    plate = Image.new("RGB", (width, height), paper_bgr[::-1])
    draw = ImageDraw.Draw(plate)
    draw.text((pad, height / 2), text, fill=ink_bgr[::-1], font=font, anchor="lm")
    return np.ascontiguousarray(np.asarray(plate)[:, :, ::-1])


def _text_px(image_bgr: NDArray[np.uint8]) -> int:
    return max(12, round(image_bgr.shape[0] / 24))


def _paste(image_bgr: NDArray[np.uint8], plate: NDArray[np.uint8], x: int, y: int) -> None:
    """Copy a plate to (x, y), moved or cut so that it lies inside the picture."""
    height, width = image_bgr.shape[:2]
    x = max(0, min(x, width - plate.shape[1]))
    y = max(0, min(y, height - plate.shape[0]))
    part = plate[: height - y, : width - x]
    image_bgr[y : y + part.shape[0], x : x + part.shape[1]] = part
