"""Small labelled sequences: coloured rectangles that walk past each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.pipeline.fake_stages import ColourEmbedder, RectangleDetector
from trackers.detections import Detections

SIZE_WH = (128, 96)
FPS = 10.0
Line = Callable[[int, int, tuple[int, int, int, int]], str]
"""Frame, person and box (left, top, width, height) -> a line of ground truth."""


class CountingDetector(RectangleDetector):
    """Finds the rectangles; counts the pictures that it saw."""

    image_size = None
    confidence = 0.1

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.weights = weights
        if not weights.exists():
            weights.write_text("weights")


class CountingEmbedder(ColourEmbedder):
    """Embeds by colour; counts the crops that it saw."""

    def __init__(self) -> None:
        self.crops = 0

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> object:
        self.crops += len(crops_bgr)
        return super().embed(crops_bgr)


def box_ltwh(person: int, frame: int) -> tuple[int, int, int, int]:
    """Where a person (1, 2) is in a 1-based frame: one goes right above, one left below."""
    return (2 + 4 * frame, 4, 14, 36) if person == 1 else (108 - 4 * frame, 52, 14, 36)


def mot15(frame: int, person: int, box: tuple[int, int, int, int]) -> str:
    """A line without class."""
    return f"{frame},{person},{','.join(map(str, box))},1,-1,-1,-1"


def write_sequence(
    folder: Path, name: str = "walk", n_frames: int = 20, line: Line = mot15, gap: range = range(0)
) -> Path:
    """A sequence of two people, detected perfectly but for a gap; returns its folder.

    Args:
        folder: of the sequences. name: of this one. n_frames: its length.
        line: makes the lines of the ground truth.
        gap: frames in which the first person is not detected.
    """
    place = folder / name
    for part in ("img1", "gt", "det"):
        (place / part).mkdir(parents=True)
    gt, det = [], []
    for frame in range(1, n_frames + 1):
        image = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
        for person, colour in ((1, (200, 80, 80)), (2, (80, 80, 200))):
            left, top, width, height = box = box_ltwh(person, frame)
            cv2.rectangle(image, (left, top), (left + width - 1, top + height - 1), colour, -1)
            gt.append(line(frame, person, box))
            if person == 2 or frame not in gap:
                det.append(f"{frame},-1,{','.join(map(str, box))},0.9")
        cv2.imwrite(str(place / "img1" / f"{frame:06}.png"), image)
    (place / "gt" / "gt.txt").write_text("\n".join(gt) + "\n")
    (place / "det" / "det.txt").write_text("\n".join(det) + "\n")
    (place / "seqinfo.ini").write_text(f"[Sequence]\nname={name}\nframeRate={FPS:g}\n")
    return place


def boxes_of(found: list[Detections]) -> list[list[list[float]]]:
    """The boxes of every frame as lists."""
    return [d.boxes_xyxy.tolist() for d in found]
