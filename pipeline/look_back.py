"""Frames of a resumed recording that are read again, so that the camera's motion goes on as before.

The motion is measured between pictures, and a journal holds none. After a replay the recording is
therefore read from the last frame from which the measurement can go on, a second back at most
unless fewer frames are observed; these frames are shown to nothing else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.camera_stage import CameraStage
from pipeline.frames import Frame
from pipeline.journal_records import JournalFrame
from trackers.camera_motion import MotionState

_Seen = tuple[NDArray[np.float32], MotionState | None]


class LookBack:
    """Collects what is needed while a journal is replayed, and shows it afterwards."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._until = -1

    def add(self, seen: JournalFrame) -> None:
        """A frame was replayed."""
        if seen.motion_look is not None:
            self._seen.clear()
        if seen.motion_look is not None or self._seen:
            self._seen[seen.frame_index] = (seen.detections.boxes_xyxy, seen.motion_look)

    def clear(self) -> None:
        """The tracks were closed; the measurement begins anew."""
        self._seen.clear()
        self._until = -1

    def start(self, position: int) -> int:
        """Where to begin reading if the last replayed frame is `position`."""
        self._until = position if self._seen else -1
        return min(self._seen, default=position + 1)

    def covers(self, frame: Frame) -> bool:
        """Whether the frame was replayed, and is only read again."""
        return frame.index <= self._until

    def show(self, frame: Frame, stage: CameraStage) -> None:
        """Let the camera's motion see a frame again, if it saw it then."""
        if frame.index in self._seen:
            boxes, look = self._seen[frame.index]
            stage.see_again(frame, boxes, look)
        if frame.index >= self._until:
            self.clear()
