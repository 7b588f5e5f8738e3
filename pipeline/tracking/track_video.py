"""A sequence as a video with boxes, ids and where everybody came from."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.clip_drawing import draw_box, draw_caption
from pipeline.clip_writer import write_clip
from pipeline.tracking.colours import colour_bgr
from pipeline.tracking.sequence_folder import SequenceFolder
from trackers.metrics.sequence import rows_by_frame
from trackers.motfile import MotRows

TRAIL_S = 2.0
Foot = tuple[int, int, int]
"""Frame, x and y of the middle of a box's lower edge, in pixels."""


def render_sequence(
    path: Path,
    sequence: SequenceFolder,
    rows: MotRows,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the video; it appears whole or not at all.

    Args:
        path: ends in `clip_suffix()`; its folder is made when missing.
        sequence: its pictures. rows: the tracks. on_frame: told frames done and in all.

    Raises:
        SequenceError: a file is no picture.
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write_clip(
            temporary, _told(drawn_frames(sequence, rows), len(sequence), on_frame), sequence.fps
        )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def drawn_frames(sequence: SequenceFolder, rows: MotRows) -> Iterator[NDArray[np.uint8]]:
    """Yield every (H, W, 3) BGR picture with its tracks, and their trails of the last 2 s."""
    trails: dict[int, deque[Foot]] = defaultdict(deque)
    for index, chosen in enumerate(rows_by_frame(rows.frames, np.arange(1, len(sequence) + 1))):
        for row in chosen:
            left, _, right, bottom = rows.boxes_xyxy[row]
            foot = (index, round((left + right) / 2), round(bottom))
            trails[int(rows.ids[row])].append(foot)
        _forget(trails, index - TRAIL_S * sequence.fps)
        image = sequence.image(index)
        for identity, trail in trails.items():
            _draw_trail(image, trail, colour_bgr(identity))
        for row in chosen:
            identity = int(rows.ids[row])
            box = rows.boxes_xyxy[row].astype(np.float32)
            draw_box(image, box, str(identity), colour_bgr(identity))
        draw_caption(image, f"{sequence.name}  {index + 1}/{len(sequence)}")
        yield image


def _forget(trails: dict[int, deque[Foot]], oldest: float) -> None:
    """Drop what lies before a frame."""
    for identity in list(trails):
        while trails[identity] and trails[identity][0][0] < oldest:
            trails[identity].popleft()
        if not trails[identity]:
            del trails[identity]


def _draw_trail(image: NDArray[np.uint8], trail: deque[Foot], colour: tuple[int, int, int]) -> None:
    points = np.array([(x, y) for _, x, y in trail], np.int32).reshape(-1, 1, 2)
    thickness = max(1, round(image.shape[0] / 300))
    cv2.polylines(image, [points], False, colour, thickness, cv2.LINE_AA)


def _told(
    images: Iterator[NDArray[np.uint8]], total: int, on_frame: Callable[[int, int], None]
) -> Iterator[NDArray[np.uint8]]:
    for done, image in enumerate(images, start=1):
        yield image
        on_frame(done, total)
