"""Small drawings over crops: text, frames, heat, part masks, and the path between two bodies."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(h, w, 3) BGR."""
Colour = tuple[int, int, int]
"""Blue, green, red."""

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (30, 30, 30)
GREY: Colour = (150, 150, 150)
GREEN: Colour = (60, 160, 30)
RED: Colour = (40, 40, 215)
FRAME = 6
"""Pixels around a crop."""
TEXT_HEIGHT = 26
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LINE = cv2.LINE_AA


def blank(height: int, width: int) -> Picture:
    """A white picture."""
    return np.full((height, width, 3), 255, np.uint8)


def text_line(text: str, width: int, *, scale: float = 0.55, colour: Colour = BLACK) -> Picture:
    """A line of text on white; what is too long is set smaller, down to half, then cut."""
    longest = cv2.getTextSize(text, _FONT, scale, 1)[0][0]
    fitted = scale * min(1.0, max(0.5, (width - 6) / max(longest, 1)))
    line = blank(TEXT_HEIGHT, width)
    cv2.putText(line, text, (3, TEXT_HEIGHT - 8), _FONT, fitted, colour, 1, _LINE)
    return line


def framed(crop: Picture, colour: Colour) -> Picture:
    """The crop inside a frame of `FRAME` pixels."""
    return cv2.copyMakeBorder(  # type: ignore[return-value]
        crop, FRAME, FRAME, FRAME, FRAME, cv2.BORDER_CONSTANT, value=colour
    )


def heated(crop: Picture, heat: NDArray[np.floating], strength: float = 0.55) -> Picture:
    """A crop under its (h', w') activation in 0..1, blue to red."""
    height, width = crop.shape[:2]
    fine = cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    levels = (255 * np.clip(fine, 0, 1)).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)
    return cv2.addWeighted(crop, 1 - strength, colours, strength, 0).astype(np.uint8, copy=False)


def masked(crop: Picture, masks: NDArray[np.floating], strength: float = 0.5) -> Picture:
    """A crop under the colours of its parts; the background, the last mask, is made dark.

    Args:
        masks: (K + 1, h', w') in 0..1; every pixel gets its strongest.
    """
    height, width = crop.shape[:2]
    fine = [cv2.resize(mask.astype(np.float32), (width, height)) for mask in masks]
    strongest = np.stack(fine).argmax(0)
    colours = np.array([*part_colours(len(masks) - 1), (0, 0, 0)], np.uint8)[strongest]
    return cv2.addWeighted(crop, 1 - strength, colours, strength, 0).astype(np.uint8, copy=False)


def part_colours(count: int) -> list[Colour]:
    """Colours of `count` parts, round the colour circle."""
    hues = np.linspace(0, 179, count, endpoint=False).astype(np.uint8)
    circle = np.stack([hues, np.full_like(hues, 220), np.full_like(hues, 235)], 1)[None]
    bgr = cv2.cvtColor(circle, cv2.COLOR_HSV2BGR)[0].tolist()
    return [(int(b), int(g), int(r)) for b, g, r in bgr]


def joined_bodies(
    left: Picture,
    right: Picture,
    path: Sequence[tuple[int, int]],
    centres: tuple[NDArray[np.floating], NDArray[np.floating]],
    costs: NDArray[np.floating],
    gap: int,
) -> Picture:
    """Two bodies of one height, a line between the parts of every cell of the path.

    Args:
        path: cells (i, j) as of `alignment_path`. centres: heights of the parts in 0..1 of the
            pictures, left and right. costs: (P, P) of the cells; a cheap one has a thick dark
            line.
        gap: pixels between the pictures.
    """
    height, width = left.shape[:2]
    sheet = np.concatenate([left, blank(height, gap), right], axis=1)
    low, high = float(costs.min()), float(costs.max())
    colours = part_colours(len(costs))
    for i, j in path:
        near = 1 - (float(costs[i, j]) - low) / max(high - low, 1e-9)
        start = (width, round(float(centres[0][i]) * height))
        end = (width + gap - 1, round(float(centres[1][j]) * height))
        shade = [round(near * channel + (1 - near) * 225) for channel in colours[i]]
        cv2.line(sheet, start, end, shade, 1 + round(3 * near), _LINE)
    for x, side in ((width, 0), (width + gap - 1, 1)):
        for part, centre in enumerate(centres[side]):
            point = (x, round(float(centre) * height))
            cv2.circle(sheet, point, 6, colours[part], -1, _LINE)
            cv2.circle(sheet, point, 6, BLACK, 1, _LINE)
    return sheet


def cost_matrix(costs: NDArray[np.floating], path: Sequence[tuple[int, int]], side: int) -> Picture:
    """The (P, P) costs as a square of about `side` pixels, dark is cheap, the path in red."""
    count = len(costs)
    cell = max(8, side // count)
    low, high = float(costs.min()), float(costs.max())
    levels = 255 * (0.15 + 0.85 * (costs - low) / max(high - low, 1e-9))
    grey = np.kron(levels, np.ones((cell, cell))).astype(np.uint8)
    sheet = np.repeat(grey[:, :, None], 3, axis=2)
    points = np.array([[j * cell + cell // 2, i * cell + cell // 2] for i, j in path], np.int32)
    cv2.polylines(sheet, [points], False, RED, 3, _LINE)
    return sheet


def stacked(pictures: Sequence[Picture], space: int = 0) -> Picture:
    """Pictures below each other, at the left, on white."""
    width = max(picture.shape[1] for picture in pictures)
    rows = []
    for picture in pictures:
        rest = blank(picture.shape[0], width - picture.shape[1])
        rows += [np.concatenate([picture, rest], axis=1), blank(space, width)]
    return np.concatenate(rows[:-1])


def side_by_side(pictures: Sequence[Picture], space: int = 0) -> Picture:
    """Pictures beside each other, at the top, on white."""
    height = max(picture.shape[0] for picture in pictures)
    columns = []
    for picture in pictures:
        rest = blank(height - picture.shape[0], picture.shape[1])
        columns += [np.concatenate([picture, rest]), blank(height, space)]
    return np.concatenate(columns[:-1], axis=1)
