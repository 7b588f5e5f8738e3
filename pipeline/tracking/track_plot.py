"""A picture of a sequence's tracks over time: one row each, coloured by whom they cover."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.tracking.colours import colour_bgr
from trackers.metrics import best_pairs, iou_matrix
from trackers.metrics.sequence import rows_by_frame
from trackers.motfile import MotRows

NOBODY = -1
NOBODY_BGR = (190, 190, 190)
_PAPER, _INK, _LINE = (255, 255, 255), (40, 40, 40), (225, 225, 225)
_MARGIN_PX, _ROW_PX, _BAR_PX, _HEAD_PX = 64, 14, 10, 26
_WIDTH_PX = 1200
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4
_COVERS_IOU = 0.5


def covered_people(gt: MotRows, hyp: MotRows) -> NDArray[np.int64]:
    """The row of `gt` that each reported box covers: (len(hyp),), -1 for nobody.

    Per frame, one to one, from an IoU of 0.5 on, so that the summed IoU is largest.
    """
    covered = np.full(len(hyp), NOBODY, np.int64)
    frames = np.intersect1d(gt.frames, hyp.frames)
    for gt_rows, hyp_rows in zip(
        rows_by_frame(gt.frames, frames), rows_by_frame(hyp.frames, frames), strict=True
    ):
        iou = iou_matrix(gt.boxes_xyxy[gt_rows], hyp.boxes_xyxy[hyp_rows])
        rows, columns = best_pairs(iou, _COVERS_IOU)
        covered[hyp_rows[columns]] = gt_rows[rows]
    return covered


def draw_plot(name: str, gt: MotRows, hyp: MotRows, n_frames: int) -> NDArray[np.uint8]:
    """Draw the tracks of a sequence above its ground truth.

    Args:
        name: heading. gt: the people to be found. hyp: the tracks. n_frames: of the sequence.

    Returns:
        (H, W, 3) uint8 BGR: a row for each track in order of appearance, every box in the colour
        of the person it covers, grey for nobody; below, a row for each person.
    """
    tracks, people = _by_appearance(hyp), _by_appearance(gt)
    height = 3 * _HEAD_PX + _ROW_PX * (len(tracks) + len(people))
    image = np.full((height, _MARGIN_PX + _WIDTH_PX + 16, 3), _PAPER, np.uint8)
    covered = covered_people(gt, hyp)
    colours = [NOBODY_BGR if row == NOBODY else colour_bgr(int(gt.ids[row])) for row in covered]
    _draw_frame_numbers(image, n_frames)
    top = _draw_rows(image, f"{name}: {len(tracks)} tracks", 0, tracks, hyp, colours, n_frames)
    own = [colour_bgr(int(identity)) for identity in gt.ids]
    _draw_rows(image, f"ground truth: {len(people)} people", top, people, gt, own, n_frames)
    return image


def write_plot(path: Path, name: str, gt: MotRows, hyp: MotRows, n_frames: int) -> None:
    """Write `draw_plot` as PNG; the folder is made when missing.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _, png = cv2.imencode(".png", draw_plot(name, gt, hyp, n_frames))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(png.tobytes())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def frame_x(frame: int, n_frames: int) -> int:
    """The column where a 1-based frame begins, in pixels."""
    return _MARGIN_PX + (frame - 1) * _WIDTH_PX // n_frames


def _by_appearance(rows: MotRows) -> list[int]:
    """Ids by first frame, then by number."""
    ids, first = np.unique(rows.ids, return_inverse=True)
    starts = np.full(len(ids), np.iinfo(np.int64).max)
    np.minimum.at(starts, first, rows.frames)
    return [int(identity) for identity in ids[np.lexsort((ids, starts))]]


def _draw_rows(
    image: NDArray[np.uint8],
    title: str,
    top: int,
    ids: list[int],
    rows: MotRows,
    colours: list[tuple[int, int, int]],
    n_frames: int,
) -> int:
    """Draw a heading and a row of bars for each id; returns where the next part begins."""
    _write(image, title, 4, top + _HEAD_PX - 9)
    first = top + _HEAD_PX
    row_of = {identity: number for number, identity in enumerate(ids)}
    for identity, number in row_of.items():
        _write(image, str(identity), 4, first + number * _ROW_PX + _BAR_PX)
    for frame, identity, colour in zip(rows.frames, rows.ids, colours, strict=True):
        y = first + row_of[int(identity)] * _ROW_PX
        left, right = frame_x(int(frame), n_frames), frame_x(int(frame) + 1, n_frames)
        cv2.rectangle(image, (left, y), (max(left, right - 1), y + _BAR_PX - 1), colour, -1)
    return first + len(ids) * _ROW_PX


def _draw_frame_numbers(image: NDArray[np.uint8], n_frames: int) -> None:
    """Vertical lines at round frames, with their numbers at the lower edge."""
    step = next(s for k in range(12) for s in (10**k, 2 * 10**k, 5 * 10**k) if n_frames / s <= 12)
    bottom = image.shape[0] - _HEAD_PX
    for frame in range(step, n_frames + 1, step):
        x = frame_x(frame, n_frames)
        cv2.line(image, (x, _HEAD_PX), (x, bottom), _LINE, 1)
        _write(image, str(frame), x - 8, bottom + 14)


def _write(image: NDArray[np.uint8], text: str, x: int, y: int) -> None:
    cv2.putText(image, text, (x, y), _FONT, _FONT_SCALE, _INK, 1, cv2.LINE_AA)
