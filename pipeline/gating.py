"""Which frames are worth the detector: a steady rate, and nothing while nothing moves."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.frames import Frame

_SMALL_WH = (80, 60)
_LEVELS = 14.0
_CHANGED_SHARE = 0.004
_ADAPT = 0.05


class FrameGate:
    """Decides for one camera which frames the detector sees.

    Args:
        detect_fps: at most so many frames per second; None is all.
        skip_empty: while no track is live, skip frames that look like the empty scene.
        recheck_s: look at least this often even if nothing moves, so that a person who stands
            still since before the start is found, and slow light changes are learned.
    """

    def __init__(
        self, detect_fps: float | None, *, skip_empty: bool, recheck_s: float = 2.0
    ) -> None:
        self._period = 1.0 / detect_fps if detect_fps else 0.0
        self._skip_empty = skip_empty
        self._recheck = recheck_s
        self._due_s = -np.inf
        self._looked_s = -np.inf
        self._scene: NDArray[np.float32] | None = None

    def should_detect(self, frame: Frame, has_live_tracks: bool) -> bool:
        """Whether to run the detector on this frame."""
        now = frame.time_utc.timestamp()
        if now < self._due_s - 1e-3:
            return False
        self._due_s = max(self._due_s + self._period, now) if np.isfinite(self._due_s) else now
        self._due_s = now + self._period if self._due_s <= now else self._due_s
        if not self._skip_empty:
            return True
        changed = self._changed(frame.image_bgr, learn=not has_live_tracks)
        if has_live_tracks or changed or now - self._looked_s >= self._recheck:
            self._looked_s = now
            return True
        return False

    def _changed(self, image_bgr: NDArray[np.uint8], *, learn: bool) -> bool:
        """Whether a part of the picture differs from the scene as it was while empty."""
        small = cv2.resize(image_bgr, _SMALL_WH, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
        if self._scene is None or self._scene.shape != grey.shape:
            self._scene = grey
            return True
        difference = np.abs(grey - self._scene)
        share = float((difference > _LEVELS).mean())
        if learn:
            self._scene += _ADAPT * (grey - self._scene)
        return share > _CHANGED_SHARE
