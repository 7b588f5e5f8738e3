"""One picture of one camera at one time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """A decoded frame.

    Attributes:
        camera: id of the camera as in the configuration.
        index: 0-based frame number in the source.
        time_utc: timezone-aware UTC time at which the frame was taken.
        image_bgr: (H, W, 3) uint8 in OpenCV's channel order.
        offset_s: seconds from the start of the recording (0 for the first frame); for a live
            source seconds since it was opened.
    """

    camera: str
    index: int
    time_utc: datetime
    image_bgr: NDArray[np.uint8]
    offset_s: float
