"""What the tracker does when the camera has moved: all that it remembers of places moves along."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trackers.boxes import warp_boxes
from trackers.crosswalk_state import Track
from trackers.kalman import KalmanBoxes


def follow_camera(
    motion: KalmanBoxes, tracks: Sequence[Track], camera_motion: NDArray[np.float64] | None
) -> None:
    """Move the filters and the last boxes of N tracks by a (2, 3) affine; None moves nothing.

    What was handed on or waits in a track's history stays where it was seen.
    """
    if camera_motion is None or not tracks:
        return
    motion.warp(camera_motion)
    boxes = warp_boxes(np.stack([track.box_xyxy for track in tracks]), camera_motion)
    for track, box in zip(tracks, boxes.astype(np.float32), strict=True):
        track.box_xyxy = box
