"""Paints a body from capsules: depth, light, cloth, face."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.demo.body import Capsule, build_body
from pipeline.demo.cloth import paint_parts
from pipeline.demo.people import Person

PIXELS_PER_M = (72.0, 115.0)
"""Scales at which sprites are painted: for people far away and near."""
_MARGIN_M = 0.12
_LIGHT = np.array([-0.42, 0.72, 0.55]) / np.linalg.norm([-0.42, 0.72, 0.55])

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Sprite:
    """A painted person, cut to size.

    Attributes:
        bgra: (H, W, 4) uint8; colours are not multiplied by alpha.
        anchor_xy: pixel of the point on the ground between the feet.
        pixels_per_m: scale.
    """

    bgra: NDArray[np.uint8]
    anchor_xy: tuple[float, float]
    pixels_per_m: float


@lru_cache(maxsize=400)
def paint_person(
    person: Person,
    phase: float,
    yaw_deg: float,
    pitch_deg: float,
    pixels_per_m: float = PIXELS_PER_M[-1],
) -> Sprite:
    """Paint a person as a camera far away sees it.

    Args:
        person: build and clothes.
        phase: position in the gait cycle, 0..1.
        yaw_deg: direction in which the person faces: 0 = to the camera, 90 = to the right.
        pitch_deg: how far the camera looks down, 0 = level.
        pixels_per_m: scale of the sprite; larger takes longer, by its square.
    """
    turn = _rotation(math.radians(yaw_deg), math.radians(pitch_deg))
    capsules = build_body(person, phase)
    canvas = _Canvas(capsules, turn, pixels_per_m)
    for capsule in capsules:
        canvas.add(capsule, turn)
    mask = canvas.depth > -1e3
    normal = _smooth_normals(np.dstack(list(canvas.normals)), mask, 0.0113 * pixels_per_m)
    body = canvas.positions().astype(np.float32) @ turn.astype(np.float32)
    albedo, bumps = paint_parts(person, canvas.part, body, mask)
    normal[..., :2] += bumps
    normal /= np.linalg.norm(normal, axis=2, keepdims=True) + 1e-6
    bgr = np.clip(albedo * _light(normal, canvas.depth, mask, pixels_per_m), 0, 255)
    return _cut(_fill(bgr, mask), mask, canvas)


def _rotation(yaw: float, pitch: float) -> NDArray[np.float64]:
    """Body frame to view frame (x right, y up, z to the camera)."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return around_x @ around_y


class _Canvas:
    """Depth, normals and parts per pixel; the nearest capsule wins."""

    def __init__(
        self, capsules: list[Capsule], turn: NDArray[np.float64], pixels_per_m: float
    ) -> None:
        self.pixels_per_m = pixels_per_m
        ends = np.array([end for c in capsules for end in (turn @ c.a, turn @ c.b)])
        low, high = ends.min(0) - _MARGIN_M, ends.max(0) + _MARGIN_M
        self.left, self.top = float(low[0]), float(high[1])
        width = int((high[0] - low[0]) * pixels_per_m) + 1
        height = int((high[1] - low[1]) * pixels_per_m) + 1
        xs = self.left + (np.arange(width) + 0.5) / pixels_per_m
        ys = self.top - (np.arange(height) + 0.5) / pixels_per_m
        self.x, self.y = np.meshgrid(xs.astype(np.float32), ys.astype(np.float32))
        self.depth = np.full((height, width), -1e4, np.float32)
        self.normals = np.zeros((3, height, width), np.float32)
        self.part = np.zeros((height, width), np.uint8)

    def positions(self) -> Floats:
        """View-frame position of each pixel's surface point, (H, W, 3) metres."""
        return np.dstack([self.x, self.y, self.depth])

    def add(self, capsule: Capsule, turn: NDArray[np.float64]) -> None:
        """Draw one capsule, turned by a (3, 3) rotation into the view frame, into the buffers."""
        scale = self.pixels_per_m
        a, b = (turn @ capsule.a).tolist(), (turn @ capsule.b).tolist()
        radius = max(capsule.ra, capsule.rb)
        x0 = max(int((min(a[0], b[0]) - radius - self.left) * scale), 0)
        x1 = int((max(a[0], b[0]) + radius - self.left) * scale) + 2
        y0 = max(int((self.top - max(a[1], b[1]) - radius) * scale), 0)
        y1 = int((self.top - min(a[1], b[1]) + radius) * scale) + 2
        area = np.s_[y0:y1, x0:x1]
        dx, dy = self.x[area] - a[0], self.y[area] - a[1]
        ex, ey = b[0] - a[0], b[1] - a[1]
        along = (dx * ex + dy * ey) / max(ex * ex + ey * ey, 1e-9)
        along = np.minimum(np.maximum(along, 0), 1)
        r = capsule.ra + along * (capsule.rb - capsule.ra)
        nx, ny = (dx - along * ex) / r, (dy - along * ey) / r
        square = nx * nx + ny * ny
        nz = np.sqrt(np.maximum(1 - square, 0))
        depth = a[2] + along * (b[2] - a[2]) + nz * r
        nearer = (square < 1) & (depth > self.depth[area])
        np.copyto(self.depth[area], depth, where=nearer)
        np.copyto(self.part[area], np.uint8(capsule.part), where=nearer)
        for axis, component in enumerate((nx, ny, nz)):
            np.copyto(self.normals[axis][area], component, where=nearer)


def _smooth_normals(normal: Floats, mask: NDArray[np.bool_], sigma: float) -> Floats:
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)
    smooth = cv2.GaussianBlur(normal * mask[..., None], (0, 0), sigma)
    return np.asarray(smooth / (weight[..., None] + 1e-6), np.float32)


def _light(normal: Floats, depth: Floats, mask: NDArray[np.bool_], pixels_per_m: float) -> Floats:
    """Sun or lamp from the upper left, sky light from above, shade in folds and behind limbs."""
    direct = np.clip(normal @ _LIGHT.astype(np.float32), 0, 1)
    sky = 0.5 + 0.5 * normal[..., 1]
    filled = np.where(mask, depth, depth[mask].min())
    near = np.zeros_like(filled)
    for radius_m in (0.026, 0.061):
        sigma = radius_m * pixels_per_m
        near += np.clip(cv2.GaussianBlur(filled, (0, 0), sigma) - filled, 0, 0.12)
    shade = 1 - np.clip(3.2 * near, 0, 0.6)
    rim = np.clip(normal[..., 2], 0, 1) ** 0.5
    return np.asarray(
        ((0.30 + 0.28 * sky + 0.72 * direct) * shade * (0.72 + 0.28 * rim))[..., None], np.float32
    )


def _fill(bgr: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Continue colours past the outline so that scaling does not draw a dark seam."""
    weight = mask.astype(np.float32)
    spread = cv2.GaussianBlur(bgr * weight[..., None], (0, 0), 2.0)
    total = cv2.GaussianBlur(weight, (0, 0), 2.0)[..., None] + 1e-4
    return np.where(mask[..., None], bgr, spread / total).astype(np.float32)


def _cut(bgr: Floats, mask: NDArray[np.bool_], canvas: _Canvas) -> Sprite:
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    y0, y1 = max(rows[0] - 3, 0), rows[-1] + 4
    x0, x1 = max(columns[0] - 3, 0), columns[-1] + 4
    anchor = (-canvas.left * canvas.pixels_per_m - x0, canvas.top * canvas.pixels_per_m - y0)
    return Sprite(
        np.ascontiguousarray(np.dstack([bgr, alpha * 255])[y0:y1, x0:x1].astype(np.uint8)),
        (float(anchor[0]), float(anchor[1])),
        canvas.pixels_per_m,
    )
