"""Whether one camera moves, and how: nearly free of cost while it stands still.

While a camera is still, one picture per second is compared with the one of a second before. Once
the view has moved by more than a fraction of a pixel, or cannot be explained, and for the first
seconds of a view, every frame is compared with the frame before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trackers.optical_flow import FlowConfig, SmallPicture, ViewChange, reduce, view_change

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CameraMotionConfig:
    """When the camera is looked at.

    Attributes:
        look_s: seconds between two looks at a still camera; larger is cheaper and notices later.
        still_px: pixels of the full picture that the view may move, between two looks or two
            frames, and still count as still; larger overlooks slower motion.
        hold_s: seconds without motion after which a camera counts as still again, and for which
            the beginning of a view is watched frame by frame.
        flow: of the estimate.
    """

    look_s: float = 1.0
    still_px: float = 0.5
    hold_s: float = 3.0
    flow: FlowConfig = field(default_factory=FlowConfig)


@dataclass(frozen=True)
class MotionState:
    """What must be known beside a looked-at picture to go on from it.

    Attributes:
        watched_until_s: until then every frame is compared.
        moving_until_s: until then the camera counts as moving; never before the first motion.
    """

    watched_until_s: float
    moving_until_s: float


class CameraMotion:
    """Measures the motion of one camera.

    Attributes:
        failures: comparisons so far that gave no answer: too few corners, a cut, or no similarity
            on which most of the picture agrees.
        compared: comparisons so far.
        look: the state after the newest frame if that frame was looked at, else None; `resume`
            goes on from there.
    """

    def __init__(self, config: CameraMotionConfig | None = None) -> None:
        self.config = config or CameraMotionConfig()
        self.failures = 0
        self.compared = 0
        self.look: MotionState | None = None
        self._state = MotionState(-np.inf, -np.inf)
        self._looked: SmallPicture | None = None
        self._looked_s = -np.inf
        self._before: SmallPicture | None = None

    def update(
        self, image_bgr: NDArray[np.uint8], time_s: float, boxes_xyxy: NDArray[np.floating]
    ) -> Array | None:
        """Take the next frame.

        Args:
            image_bgr: (H, W, 3) picture. time_s: its time in seconds, ascending.
            boxes_xyxy: (N, 4) people in it, pixels; what moves there is not the camera.

        Returns:
            (2, 3) similarity from pixels of the frame before to pixels of this one; None if the
            camera is still, for the first frame of a size and after a step back in time, for the
            frame by which motion is noticed, and if the picture does not tell (see `failures`).
        """
        self.look = None
        height, width = image_bgr.shape[:2]
        last = self._looked
        if last is None or last.size_wh != (width, height) or time_s < self._looked_s:
            state = MotionState(time_s + self.config.hold_s, -np.inf)
            self.resume(image_bgr, time_s, boxes_xyxy, state)
            return None
        # A thousandth of a second forgives rounding of times.
        looking = time_s - self._looked_s >= self.config.look_s - 1e-3
        if not looking and time_s > self._state.watched_until_s:
            self._before = None
            return None
        picture = reduce(image_bgr, boxes_xyxy, self.config.flow)
        change = None if self._before is None else self._compare(self._before, picture)
        if change is not None:
            self._judge(change, time_s)
        if looking:
            if self._before is not last:
                self._judge(self._compare(last, picture), time_s, disagree=change is None)
            self._looked, self._looked_s, self.look = picture, time_s, self._state
        self._before = picture
        moving = time_s <= self._state.moving_until_s
        return change.affine if change is not None and moving else None

    def resume(
        self,
        image_bgr: NDArray[np.uint8],
        time_s: float,
        boxes_xyxy: NDArray[np.floating],
        state: MotionState,
    ) -> None:
        """Go on from a frame whose `look` was `state`, as if all before it had been seen."""
        self._before = self._looked = reduce(image_bgr, boxes_xyxy, self.config.flow)
        self._looked_s, self._state, self.look = time_s, state, state

    def _compare(self, first: SmallPicture, second: SmallPicture) -> ViewChange:
        change = view_change(first, second, self.config.flow)
        self.compared += 1
        self.failures += change.affine is None
        return change

    def _judge(self, change: ViewChange, time_s: float, *, disagree: bool = False) -> None:
        """Watch on after motion; with `disagree` also after a view that no motion explains."""
        until = time_s + self.config.hold_s
        if change.moved > self.config.still_px:
            self._state = MotionState(until, until)
        elif disagree and change.affine is None and change.followed >= self.config.flow.min_corners:
            self._state = MotionState(until, self._state.moving_until_s)
