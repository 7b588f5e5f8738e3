"""Small drawn footage with labels: every person is a rectangle of one colour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from pipeline.evaluation import LabelledCamera, read_ground_truth

FPS = 5.0
SIZE_WH = (160, 120)
PEOPLE = {1: (40, 40, 220), 2: (40, 220, 40), 3: (220, 60, 40)}
"""Colours in BGR."""
BOX_WH = (24, 60)
Places = Mapping[str, Mapping[int, Mapping[int, int]]]
"""camera -> person -> frame -> left edge; the top edge is at 30."""


def write_footage(folder: Path, places: Places, frames: int) -> list[LabelledCamera]:
    """Recordings `<camera>.avi` and gt/<camera>.txt; a person is drawn where labelled."""
    (folder / "gt").mkdir(parents=True)
    for camera, people in places.items():
        code = cv2.VideoWriter_fourcc(*"MJPG")  # type: ignore[attr-defined]
        video = cv2.VideoWriter(str(folder / f"{camera}.avi"), code, FPS, SIZE_WH)
        lines = []
        for frame in range(1, frames + 1):
            picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), 128, np.uint8)
            for person, lefts in people.items():
                if frame in lefts:
                    left = lefts[frame]
                    right, bottom = left + BOX_WH[0], 30 + BOX_WH[1]
                    cv2.rectangle(picture, (left, 30), (right - 1, bottom - 1), PEOPLE[person], -1)
                    lines.append(f"{frame},{person},{left},30,{BOX_WH[0]},{BOX_WH[1]},1,1,1")
            video.write(picture)
        video.release()
        (folder / "gt" / f"{camera}.txt").write_text("\n".join(lines) + "\n")
    return read_ground_truth(folder / "gt")
