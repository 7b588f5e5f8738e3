"""A pinhole camera above a flat ground.

World coordinates are metres: X to the right, Y up from the ground, Z away from the camera, whose
foot is the origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.demo.sprite import PIXELS_PER_M

WIDTH, HEIGHT = 640, 480


@dataclass(frozen=True)
class PinholeCamera:
    """Where a view is seen from.

    Attributes:
        height_m: height above the ground.
        pitch_deg: how far it looks down.
        focal_px: focal length in pixels of a 640 x 480 picture.
    """

    height_m: float
    pitch_deg: float
    focal_px: float

    def project(
        self, points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Project world points.

        Args:
            points: (N, 3) metres, in front of the camera.

        Returns:
            (N, 2) pixels and (N,) depth in metres.
        """
        sine, cosine = (
            math.sin(math.radians(self.pitch_deg)),
            math.cos(math.radians(self.pitch_deg)),
        )
        rel = np.asarray(points, float) - (0, self.height_m, 0)
        depth = rel[:, 2] * cosine - rel[:, 1] * sine
        up = rel[:, 1] * cosine + rel[:, 2] * sine
        u = WIDTH / 2 + self.focal_px * rel[:, 0] / depth
        v = HEIGHT / 2 - self.focal_px * up / depth
        return np.column_stack([u, v]), depth

    def edge_x(self, z: float, margin_m: float = 0.55) -> float:
        """X at distance z just outside the right edge of the picture."""
        _, depth = self.project(np.array([[0.0, 0.9, z]]))
        return float(depth[0]) * WIDTH / 2 / self.focal_px + margin_m


@dataclass(frozen=True)
class Placement:
    """Where and how one person is drawn.

    Attributes:
        foot_xy: pixel of the ground point between the feet.
        pixels_per_m: scale at the person's middle.
        depth_m: distance along the optical axis, for the order of drawing.
        yaw_deg: facing as seen, 0 = to the camera, 90 = to the right; a multiple of 15.
        pitch_deg: how steeply the camera looks at the person; a multiple of 8.
    """

    foot_xy: tuple[float, float]
    pixels_per_m: float
    depth_m: float
    yaw_deg: float
    pitch_deg: float

    @property
    def detail(self) -> float:
        """Scale of the sprite to use, pixels per metre."""
        return next((s for s in PIXELS_PER_M if s >= self.pixels_per_m), PIXELS_PER_M[-1])


def place(camera: PinholeCamera, ground_xz: tuple[float, float], heading_rad: float) -> Placement:
    """Put a person on the ground.

    Args:
        camera: the view.
        ground_xz: metres.
        heading_rad: direction of walking on the ground, 0 = to the right (+X), pi/2 = away (+Z).
    """
    x, z = ground_xz
    pixels, depth = camera.project(np.array([[x, 0.0, z], [x, 0.9, z]]))
    azimuth = math.degrees(math.atan2(x, z))
    yaw = math.degrees(heading_rad) + 90 + azimuth
    elevation = math.degrees(math.atan2(camera.height_m - 0.9, math.hypot(x, z)))
    return Placement(
        foot_xy=(float(pixels[0, 0]), float(pixels[0, 1])),
        pixels_per_m=camera.focal_px / float(depth[1]),
        depth_m=float(depth[1]),
        yaw_deg=float(round(yaw / 15) * 15 % 360),
        pitch_deg=float(min(round(elevation / 8) * 8, 56)),
    )
