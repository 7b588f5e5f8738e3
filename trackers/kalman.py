"""Constant-velocity Kalman filter over boxes, for all tracks at once and in real seconds.

State per track: centre x, y, width (or width / height), height and their rates per second.
Process and measurement noise scale with the box height, as in DeepSORT (Wojke et al., 2017), but
grow with the elapsed time, so that irregular and low frame rates work. Measurement noise grows as
the detector's confidence falls (NSA Kalman, Du et al., GIAOTracker, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from trackers.ranges import UP_TO_100, Range

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MotionConfig:
    """The filter; standard deviations are fractions of the box height.

    Attributes:
        state: "xywh", or "xyah": the third number is width / height (SORT, DeepSORT, ByteTrack).
        acceleration: per s^1.5, how quickly people change speed; larger trusts detections more.
        size_change: the same for width and height.
        position: of a measured centre and size at confidence 0.5.
        initial_speed: per second, of a track that was seen once.
        confidence_noise: faint detections are trusted less.
        re_update: a track that is found again after a frame without it is led along a straight line
            from where it was last seen, which undoes what the filter imagined meanwhile (OC-SORT,
            Cao et al., 2023).
    """

    state: str = "xywh"
    acceleration: float = 0.8
    size_change: float = 0.25
    position: float = 0.06
    initial_speed: float = 0.8
    confidence_noise: bool = True
    re_update: bool = False

    CHOICES = MappingProxyType({"state": ("xywh", "xyah")})
    RANGES = MappingProxyType(
        {
            "acceleration": UP_TO_100,
            "size_change": UP_TO_100,
            "position": Range(0, 100, above=True),
            "initial_speed": UP_TO_100,
        }
    )


_IS_ASPECT = np.array([False, False, True, False])
_ASPECT_UNIT = 0.4
"""Scale of an aspect ratio's deviations, where lengths have the height in pixels."""

_VIRTUAL_STEP_S = 0.1


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

    The four numbers are independent of each other, so each is a 2-state filter (value, rate):
    mean (N, 4, 2) and covariance (N, 4, 2, 2).
    """

    def __init__(self, config: MotionConfig) -> None:
        self.config = config
        self.mean: Array = np.zeros((0, 4, 2))
        self.covariance: Array = np.zeros((0, 4, 2, 2))
        self._unseen_s: Array = np.zeros(0)
        self._steps: NDArray[np.int64] = np.zeros(0, np.int64)
        self._seen_mean, self._seen_covariance = self.mean, self.covariance

    def __len__(self) -> int:
        return len(self.mean)

    def add(self, boxes_xyxy: NDArray[np.floating], scores: NDArray[np.floating]) -> None:
        """Start a filter per box (N, 4), at rest and unsure of its speed; scores (N,) in 0..1."""
        mean, covariance = self._fresh(boxes_xyxy, scores)
        self.mean = np.concatenate([self.mean, mean])
        self.covariance = np.concatenate([self.covariance, covariance])
        self._unseen_s = np.append(self._unseen_s, np.zeros(len(mean)))
        self._steps = np.append(self._steps, np.zeros(len(mean), np.int64))
        if self.config.re_update:
            self._seen_mean = np.concatenate([self._seen_mean, mean])
            self._seen_covariance = np.concatenate([self._seen_covariance, covariance])

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the rows where `mask` (N,) is false."""
        self.mean, self.covariance = self.mean[mask], self.covariance[mask]
        self._unseen_s, self._steps = self._unseen_s[mask], self._steps[mask]
        if self.config.re_update:
            self._seen_mean = self._seen_mean[mask]
            self._seen_covariance = self._seen_covariance[mask]

    def predict(self, dt: float) -> None:
        """Move all filters by `dt` seconds (>= 0); white-noise acceleration model."""
        if not len(self.mean) or dt <= 0:
            return
        self._unseen_s += dt
        self._steps += 1
        self._step(self.mean, self.covariance, dt)

    def warp(self, affine: NDArray[np.floating]) -> None:
        """Move all filters along with the view: (2, 3) affine from old pixels to new ones.

        Centres follow the affine and their rates its linear part; sizes and their rates grow by
        its scale, as boxes stay upright. The covariance of x with y is not kept; as x and y are
        equally unsure, a similarity (shift, rotation, scale) makes none.
        """
        self._warp(self.mean, self.covariance, affine)
        if self.config.re_update:
            self._warp(self._seen_mean, self._seen_covariance, affine)

    def boxes_xyxy(self) -> Array:
        """(N, 4) the present estimate."""
        return self._boxes(self.mean[:, :, 0])

    def boxes_ahead(self, dt: float) -> Array:
        """(N, 4) where the centres will be in `dt` seconds, with the sizes of now."""
        values = self.mean[:, :, 0].copy()
        values[:, :2] += dt * self.mean[:, :2, 1]
        return self._boxes(values)

    def update(
        self,
        rows: NDArray[np.int64],
        boxes_xyxy: NDArray[np.floating],
        scores: NDArray[np.floating],
    ) -> None:
        """Correct filter `rows[k]` by measured box k: rows (K,), boxes (K, 4), scores (K,)."""
        if not len(rows):
            return
        z = self._measured(boxes_xyxy)
        if self.config.re_update:
            self._lead_back(rows, z)
        mean, p = self.mean[rows], self.covariance[rows]
        r = self._measurement_variance(boxes_xyxy, scores)
        gain = p[..., :, 0] / (p[..., 0, 0] + r)[..., None]
        self.mean[rows] = mean + gain * (z - mean[:, :, 0])[..., None]
        self.covariance[rows] = p - gain[..., :, None] * p[..., 0:1, :]
        self._seen(rows)

    def restart(
        self,
        rows: NDArray[np.int64],
        boxes_xyxy: NDArray[np.floating],
        scores: NDArray[np.floating],
    ) -> None:
        """Begin filters `rows` (K,) anew at boxes (K, 4): their past says nothing about these."""
        self.mean[rows], self.covariance[rows] = self._fresh(boxes_xyxy, scores)
        self._seen(rows)

    def mahalanobis(self, boxes_xyxy: NDArray[np.floating], rows: NDArray[np.int64]) -> Array:
        """(K, M) squared Mahalanobis distance of M centres to filters `rows`, 2 degrees."""
        z = xyxy_to_xywh(boxes_xyxy)
        height = np.maximum(self.mean[rows, 3, 0], 1.0)[:, None]
        variance = self.covariance[rows, :2, 0, 0] + (self.config.position * height) ** 2
        difference = z[None, :, :2] - self.mean[rows, None, :2, 0]
        return np.asarray((difference**2 / variance[:, None]).sum(2))

    def _fresh(
        self, boxes_xyxy: NDArray[np.floating], scores: NDArray[np.floating]
    ) -> tuple[Array, Array]:
        z = self._measured(boxes_xyxy)
        mean = np.zeros((len(z), 4, 2))
        mean[:, :, 0] = z
        covariance = np.zeros((len(z), 4, 2, 2))
        covariance[:, :, 0, 0] = self._measurement_variance(boxes_xyxy, scores)
        speed = np.array([1.0, 1.0, 0.3, 0.3]) * self.config.initial_speed
        covariance[:, :, 1, 1] = (speed * self._scale(z)) ** 2
        return mean, covariance

    def _step(self, mean: Array, p: Array, dt: float) -> None:
        """Move filters in place."""
        mean[:, :, 0] += dt * mean[:, :, 1]
        p00 = p[..., 0, 0] + 2 * dt * p[..., 0, 1] + dt * dt * p[..., 1, 1]
        p01 = p[..., 0, 1] + dt * p[..., 1, 1]
        c = self.config
        deviation = np.array([c.acceleration] * 2 + [c.size_change] * 2)
        q = (deviation * self._scale(mean[:, :, 0])) ** 2
        p[..., 0, 0] = p00 + q * dt**3 / 3
        p[..., 0, 1] = p[..., 1, 0] = p01 + q * dt**2 / 2
        p[..., 1, 1] += q * dt

    def _warp(self, mean: Array, covariance: Array, affine: NDArray[np.floating]) -> None:
        """Move filters in place."""
        turn = np.asarray(affine, np.float64)[:, :2]
        scale = np.sqrt(abs(np.linalg.det(turn)))
        lengths = [3] if self.config.state == "xyah" else [2, 3]
        mean[:, :2] = np.einsum("ij,njk->nik", turn, mean[:, :2])
        mean[:, :2, 0] += affine[:, 2]
        mean[:, lengths] *= scale
        covariance[:, :2] = np.einsum("ij,njkl->nikl", turn**2, covariance[:, :2])
        covariance[:, lengths] *= scale**2

    def _lead_back(self, rows: NDArray[np.int64], z: Array) -> None:
        """Replay the time since each filter was seen along a straight line of virtual boxes."""
        for row, target in zip(rows.tolist(), z, strict=True):
            gap = float(self._unseen_s[row])
            steps = int(np.ceil(gap / _VIRTUAL_STEP_S - 1e-6))
            if steps < 2 or self._steps[row] < 2:
                continue
            mean, p = (
                self._seen_mean[row : row + 1].copy(),
                self._seen_covariance[row : row + 1].copy(),
            )
            start = mean[0, :, 0].copy()
            for step in range(1, steps):
                self._step(mean, p, gap / steps)
                here = start + (target - start) * step / steps
                r = (self.config.position * self._scale(here[None])) ** 2
                gain = p[..., :, 0] / (p[..., 0, 0] + r)[..., None]
                mean += gain * (here - mean[:, :, 0])[..., None]
                p -= gain[..., :, None] * p[..., 0:1, :]
            self._step(mean, p, gap / steps)
            self.mean[row], self.covariance[row] = mean[0], p[0]

    def _seen(self, rows: NDArray[np.int64]) -> None:
        self._unseen_s[rows] = self._steps[rows] = 0
        if self.config.re_update:
            self._seen_mean[rows] = self.mean[rows]
            self._seen_covariance[rows] = self.covariance[rows]

    def _measured(self, boxes_xyxy: NDArray[np.floating]) -> Array:
        z = xyxy_to_xywh(boxes_xyxy)
        if self.config.state == "xyah":
            z[:, 2] /= np.maximum(z[:, 3], 1.0)
        return z

    def _boxes(self, values: Array) -> Array:
        if self.config.state == "xyah":
            values = values.copy()
            values[:, 2] *= values[:, 3]
        return xywh_to_xyxy(values)

    def _scale(self, values: Array) -> Array:
        """(N, 4) values -> (N, 4) unit of the standard deviations: the height in pixels."""
        height = np.maximum(values[:, 3:4], 1.0)
        if self.config.state == "xyah":
            return np.where(_IS_ASPECT, _ASPECT_UNIT, height)
        return np.broadcast_to(height, values.shape)

    def _measurement_variance(
        self, boxes_xyxy: NDArray[np.floating], scores: NDArray[np.floating]
    ) -> Array:
        variance = (self.config.position * self._scale(self._measured(boxes_xyxy))) ** 2
        if not self.config.confidence_noise:
            return np.array(variance)
        confidence = np.clip(np.asarray(scores, np.float64), 0.05, 1.0)[:, None]
        return np.asarray(variance * (1.5 - confidence))
