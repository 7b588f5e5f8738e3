"""Fewer frames per second, the same ones on every run."""

from __future__ import annotations

import math

_TOLERANCE = 1e-6


class RateCap:
    """Keeps the first frame of each 1/fps_cap second.

    The choice depends on a frame's own offset and the one before it, not on where reading began,
    so that a resumed run keeps the frames that an uninterrupted run would have kept.
    """

    def __init__(self, fps_cap: float | None) -> None:
        self._fps_cap = fps_cap
        self._slot: int | None = None

    def keeps(self, offset_s: float) -> bool:
        """Tell whether the frame at `offset_s` seconds is used; call once per frame, in order."""
        if self._fps_cap is None:
            return True
        slot = math.floor(offset_s * self._fps_cap + _TOLERANCE)
        keep = slot != self._slot
        self._slot = slot
        return keep
