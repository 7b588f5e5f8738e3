"""LOMO: local maximal occurrence of colours and textures in the rows of a person's picture.

Source: Liao et al., "Person Re-identification by Local Maximal Occurrence Representation and
Metric Learning", CVPR 2015, section 3.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reid.classical.retinex import multiscale_retinex
from reid.classical.siltp import CODES, siltp_codes

HEIGHT, WIDTH = 128, 48
HSV_BINS = 8
SILTP_RADII = (3, 5)
_SCALES = 3
_STEP = 5
"""Windows are 10 x 10 every 5 pixels, so each is made of 2 x 2 cells of 5 x 5."""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_ROWS = sum(HEIGHT // 2**k // _STEP - 1 for k in range(_SCALES))
LOMO_DIM = _ROWS * (HSV_BINS**3 + len(SILTP_RADII) * CODES)
"""26,960 = (24 + 11 + 5) rows of windows · (512 colours + 2 · 81 textures)."""


def lomo(image_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, 3) uint8 RGB of any size -> (26960,) float32.

    The picture is scaled to 128 x 48. Colours are those of its Retinex image, textures those of
    the picture itself (SILTP ignores the light anyway); both are halved twice by averaging
    2 x 2 pixels. At each scale the largest count of each bin over the windows of a row is kept,
    log(1 + x) of it taken, and the colour part and the texture part each get length 1.

    Raises:
        ValueError: not an (h, w, 3) uint8 picture.
    """
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or not image_rgb.size:
        raise ValueError(f"an (h, w, 3) picture is expected, not {image_rgb.shape}")
    if image_rgb.dtype != np.uint8:
        raise ValueError(f"a uint8 picture is expected, not {image_rgb.dtype}")
    image = scaled(image_rgb)
    colour, grey = multiscale_retinex(image), image.astype(np.float32) @ _GREY
    colours, textures = [], []
    for scale in range(_SCALES):
        if scale:
            colour, grey = half_size(colour), half_size(grey)
        colours.append(row_maxima(hsv_codes(colour), HSV_BINS**3))
        textures += [row_maxima(siltp_codes(grey, radius), CODES) for radius in SILTP_RADII]
    return np.concatenate([_unit_log(colours), _unit_log(textures)])


def scaled(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w, 3) -> (128, 48, 3): averaged where smaller, bilinear where larger."""
    if image.shape[:2] == (HEIGHT, WIDTH):
        return image
    shrinks = image.shape[0] >= HEIGHT and image.shape[1] >= WIDTH
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (WIDTH, HEIGHT), interpolation=how).astype(np.uint8, copy=False)


def half_size(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2h, 2w, ...) -> (h, w, ...): mean of 2 x 2 pixels; an odd last row or column is left out."""
    even = image[: len(image) // 2 * 2, : image.shape[1] // 2 * 2]
    total = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    quarter: NDArray[np.float32] = total * even.dtype.type(0.25)
    return quarter


def hsv_codes(colour: NDArray[np.float32]) -> NDArray[np.int64]:
    """(h, w, 3) RGB in 0..255 -> (h, w) bins in 0..511.

    Bin = 64 hue + 8 saturation + value, each cut into 8 equal parts 0..7.
    """
    hsv = cv2.cvtColor(np.ascontiguousarray(colour) / np.float32(255), cv2.COLOR_RGB2HSV)
    bins = hsv * np.array([HSV_BINS / 360, HSV_BINS, HSV_BINS], np.float32)
    bins = np.minimum(bins.astype(np.int64), HSV_BINS - 1)
    return bins @ np.array([HSV_BINS**2, HSV_BINS, 1])


def row_maxima(codes: NDArray[np.integer], bins: int) -> NDArray[np.uint8]:
    """(h, w) codes below `bins` -> (rows, bins): largest count over the windows of each row.

    Windows are 10 x 10, every 5 pixels down and right from the top left; pixels of an unfinished
    last step belong to none. h, w at least 10.
    """
    down, right = codes.shape[0] // _STEP, codes.shape[1] // _STEP
    inside = codes[: down * _STEP, : right * _STEP].astype(np.int64)
    cells = np.arange(down * right).reshape(down, right) * bins
    placed = inside.reshape(down, _STEP, right, _STEP) + cells[:, None, :, None]
    counts = np.bincount(placed.ravel(), minlength=down * right * bins)
    cell = counts.astype(np.uint8).reshape(down, right, bins)
    pairs = cell[1:] + cell[:-1]
    windows: NDArray[np.uint8] = pairs[:, 1:] + pairs[:, :-1]
    return windows.max(1)


def _unit_log(maxima: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Counts of all scales -> one vector of log(1 + count), of length 1."""
    logs = np.log1p(np.concatenate([part.ravel() for part in maxima]).astype(np.float32))
    unit: NDArray[np.float32] = logs / np.linalg.norm(logs)
    return unit
