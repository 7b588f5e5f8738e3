"""Constant-velocity Kalman filter over boxes, for all tracks at once and in real seconds.

State per track: centre x, y, width, height and their rates per second. Process and measurement
noise scale with the box height, as in DeepSORT (Wojke et al., 2017), but grow with the elapsed
time, so that irregular and low frame rates work. Measurement noise grows as the detector's
confidence falls (NSA Kalman, Du et al., GIAOTracker, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MotionNoise:
    """Standard deviations as fractions of the box height.

    Attributes:
        acceleration: per s^1.5, how quickly people change speed; larger trusts detections more.
        size_change: the same for width and height.
        position: of a measured centre and size at confidence 0.5.
        initial_speed: per second, of a track that was seen once.
    """

    acceleration: float = 0.8
    size_change: float = 0.25
    position: float = 0.06
    initial_speed: float = 0.8


def xyxy_to_xywh(boxes: NDArray[np.floating]) -> Array:
    """(N, 4) left, top, right, bottom -> centre x, centre y, width, height."""
    b = np.asarray(boxes, np.float64)
    return np.stack(
        [(b[:, 0] + b[:, 2]) / 2, (b[:, 1] + b[:, 3]) / 2, b[:, 2] - b[:, 0], b[:, 3] - b[:, 1]], 1
    )


def xywh_to_xyxy(boxes: NDArray[np.floating]) -> Array:
    """(N, 4) -> (N, 4), the inverse of `xyxy_to_xywh`; sizes below one pixel become one pixel."""
    half = np.maximum(boxes[:, 2:4], 1.0) / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1)


class KalmanBoxes:
    """Filters of N tracks; rows are added at the end and removed by a mask.

    x and y, width and height are independent, so each of the four is a 2-state filter (value,
    rate): mean (N, 4, 2) and covariance (N, 4, 2, 2).
    """

    def __init__(self, noise: MotionNoise) -> None:
        self.noise = noise
        self.mean: Array = np.zeros((0, 4, 2))
        self.covariance: Array = np.zeros((0, 4, 2, 2))

    def __len__(self) -> int:
        return len(self.mean)

    def add(self, boxes_xyxy: NDArray[np.floating], scores: NDArray[np.floating]) -> None:
        """Start a filter per box (N, 4), at rest and unsure of its speed; scores (N,) in 0..1."""
        z = xyxy_to_xywh(boxes_xyxy)
        count, height = len(z), np.maximum(z[:, 3:4], 1.0)
        mean = np.zeros((count, 4, 2))
        mean[:, :, 0] = z
        covariance = np.zeros((count, 4, 2, 2))
        covariance[:, :, 0, 0] = self._measurement_variance(height, scores)
        speed = np.array([1.0, 1.0, 0.3, 0.3]) * self.noise.initial_speed
        covariance[:, :, 1, 1] = (speed * height) ** 2
        self.mean = np.concatenate([self.mean, mean])
        self.covariance = np.concatenate([self.covariance, covariance])

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the rows where `mask` (N,) is false."""
        self.mean, self.covariance = self.mean[mask], self.covariance[mask]

    def predict(self, dt: float) -> None:
        """Move all filters by `dt` seconds (>= 0); white-noise acceleration model."""
        if not len(self.mean) or dt <= 0:
            return
        self.mean[:, :, 0] += dt * self.mean[:, :, 1]
        p = self.covariance
        p00 = p[..., 0, 0] + 2 * dt * p[..., 0, 1] + dt * dt * p[..., 1, 1]
        p01 = p[..., 0, 1] + dt * p[..., 1, 1]
        height = np.maximum(self.mean[:, 3, 0], 1.0)[:, None]
        n = self.noise
        q = (np.array([n.acceleration] * 2 + [n.size_change] * 2) * height) ** 2
        p[..., 0, 0] = p00 + q * dt**3 / 3
        p[..., 0, 1] = p[..., 1, 0] = p01 + q * dt**2 / 2
        p[..., 1, 1] += q * dt

    def warp(self, affine: NDArray[np.floating]) -> None:
        """Move all filters along with the view: (2, 3) affine from old pixels to new ones.

        Centres follow the affine and their rates its linear part; sizes and their rates grow by
        its scale, as boxes stay upright. The covariance of x with y is not kept; as x and y are
        equally unsure, a similarity (shift, rotation, scale) makes none.
        """
        turn = np.asarray(affine, np.float64)[:, :2]
        scale = np.sqrt(abs(np.linalg.det(turn)))
        self.mean[:, :2] = np.einsum("ij,njk->nik", turn, self.mean[:, :2])
        self.mean[:, :2, 0] += affine[:, 2]
        self.mean[:, 2:] *= scale
        self.covariance[:, :2] = np.einsum("ij,njkl->nikl", turn**2, self.covariance[:, :2])
        self.covariance[:, 2:] *= scale**2

    def boxes_xyxy(self) -> Array:
        """(N, 4) the present estimate."""
        return xywh_to_xyxy(self.mean[:, :, 0])

    def update(
        self,
        rows: NDArray[np.int64],
        boxes_xyxy: NDArray[np.floating],
        scores: NDArray[np.floating],
    ) -> None:
        """Correct filter `rows[k]` by measured box k: rows (K,), boxes (K, 4), scores (K,)."""
        if not len(rows):
            return
        z = xyxy_to_xywh(boxes_xyxy)
        mean, p = self.mean[rows], self.covariance[rows]
        r = self._measurement_variance(np.maximum(z[:, 3:4], 1.0), scores)
        innovation = z - mean[:, :, 0]
        gain = p[..., :, 0] / (p[..., 0, 0] + r)[..., None]
        self.mean[rows] = mean + gain * innovation[..., None]
        self.covariance[rows] = p - gain[..., :, None] * p[..., 0:1, :]

    def restart(self, row: int, box_xyxy: NDArray[np.floating], score: float) -> None:
        """Begin filter `row` anew at a box (4,): its past motion says nothing about it."""
        fresh = KalmanBoxes(self.noise)
        fresh.add(np.asarray(box_xyxy)[None], np.array([score]))
        self.mean[row], self.covariance[row] = fresh.mean[0], fresh.covariance[0]

    def mahalanobis(self, boxes_xyxy: NDArray[np.floating]) -> Array:
        """(N, M) squared Mahalanobis distance of the centres (2 degrees of freedom)."""
        z = xyxy_to_xywh(boxes_xyxy)
        height = np.maximum(self.mean[:, 3, 0], 1.0)[:, None]
        r = (self.noise.position * height) ** 2
        variance = self.covariance[:, :2, 0, 0] + r
        difference = z[None, :, :2] - self.mean[:, None, :2, 0]
        return (difference**2 / variance[:, None]).sum(2)

    def _measurement_variance(self, height: Array, scores: NDArray[np.floating]) -> Array:
        confidence = np.clip(np.asarray(scores, np.float64), 0.05, 1.0)[:, None]
        return np.broadcast_to(
            (self.noise.position * height) ** 2 * (1.5 - confidence), (len(height), 4)
        ).copy()
