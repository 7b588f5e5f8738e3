"""Videos of coloured rectangles that walk through the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import RunConfig

FPS = 10.0
WIDTH, HEIGHT = 160, 120
COLOURS = [(255, 60, 60), (60, 255, 60), (60, 60, 255), (255, 255, 60)]


def picture(index: int, frames: int, shift: int = 0) -> NDArray[np.uint8]:
    """Frame `index`: each rectangle crosses the picture once, one after the other."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    walk = max(10, frames // 3)
    for number, colour in enumerate(COLOURS):
        begin = number * (frames - walk) // (len(COLOURS) - 1) if frames > walk else 0
        if begin <= index < begin + walk:
            left = 4 + (WIDTH - 28) * (index - begin) // walk
            top = 4 + 28 * ((number + shift) % 4)
            image[top : top + 24, left : left + 16] = colour
    return image


def write_video(path: Path, frames: int, shift: int = 0) -> Path:
    """Write such a video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(picture(index, frames, shift))
    writer.release()
    return path


def make_config(folder: Path, cameras: int = 2, frames: int = 60, **settings: Any) -> RunConfig:
    """A configuration of some such videos, written into the folder if they are not there."""
    entries = []
    for number in range(cameras):
        path = folder / f"cam{number}.avi"
        if not path.exists():
            write_video(path, frames, number)
        start = "2026-01-05T09:00:00+00:00"
        entries.append({"id": f"cam{number}", "url": str(path), "start_time": start})
    return RunConfig.model_validate(
        {"cameras": entries, "tracklets": {"max_piece_s": 1}} | settings
    )
