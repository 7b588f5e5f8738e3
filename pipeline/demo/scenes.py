"""The three places of the demo: what stands there and how it is lit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.demo.geometry import HEIGHT, WIDTH, PinholeCamera
from pipeline.demo.paint import (
    bricks,
    finish,
    flat,
    new_picture,
    paint_plane,
    panel,
    rectangle,
    shaded,
    tiles,
)

Segment = tuple[float, float, float, float]


@dataclass(frozen=True)
class Occluder:
    """Something that hides people behind it.

    Attributes:
        mask: (480, 640) bool, the pixels that it covers.
        line: x0, z0, x1, z1 of its foot in metres; people on the far side are hidden.
    """

    mask: NDArray[np.bool_]
    line: Segment

    def hides(self, x: float, z: float) -> bool:
        """Whether a person at (x, z) metres stands behind it."""
        x0, z0, x1, z1 = self.line

        def side(px: float, pz: float) -> float:
            return (x1 - x0) * (pz - z0) - (z1 - z0) * (px - x0)

        return side(x, z) * side(0.0, 0.0) < 0


@dataclass(frozen=True)
class Scene:
    """One view without people.

    Attributes:
        camera: where it is seen from.
        background: (480, 640, 3) uint8.
        occluders: what stands in front of people.
        gain_bgr: colour of the light on people, per channel.
        sun: cast shadow on the ground as (x shift per height, length); None = diffuse light.
    """

    camera: PinholeCamera
    background: NDArray[np.uint8]
    occluders: tuple[Occluder, ...]
    gain_bgr: tuple[float, float, float]
    sun: tuple[float, float] | None


def _occluder(pixels: NDArray[np.float64], line: Segment) -> Occluder:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillConvexPoly(mask, np.rint(pixels * 16).astype(np.int32), 1, shift=4)
    return Occluder(mask.astype(bool), line)


def _lobby() -> Scene:
    """Warm and bright: marble tiles, a window front, a pillar, a reception desk."""
    camera = PinholeCamera(3.0, 17.0, 560.0)
    picture = new_picture((190, 205, 215))
    floor = tiles((178, 200, 214), (150, 172, 190), 24, (120, 135, 150))
    paint_plane(picture, camera, rectangle((-9, 9), (0, 0), (1, 12.5)), shaded(floor, 1.05, 0.85))
    wall = shaded(flat((168, 196, 212), 3), 0.8, 1.0)
    paint_plane(picture, camera, rectangle((-9, 9), (0, 5), (12.5, 12.5)), wall)
    skirting = flat((70, 90, 110), 3)
    paint_plane(picture, camera, rectangle((-9, 9), (0, 0.14), (12.5, 12.5)), skirting)
    window = shaded(panel((250, 244, 232), (90, 96, 100), 4), 1.02, 0.85)
    paint_plane(picture, camera, rectangle((-7, -2.2), (0.5, 3.2), (12.5, 12.5)), window)
    door = panel((52, 78, 112), (36, 52, 74), 2)
    paint_plane(picture, camera, rectangle((0.2, 2.2), (0, 2.4), (12.5, 12.5)), door)
    for k, color in enumerate([(60, 90, 190), (140, 110, 60)]):
        poster = panel(color, (225, 232, 236), 1, 23 + k)
        x = 3.1 + 1.6 * k
        paint_plane(picture, camera, rectangle((x, x + 1.1), (1.3, 2.8), (12.5, 12.5)), poster)
    top = flat((80, 110, 140), 4)
    paint_plane(picture, camera, rectangle((3.2, 6.2), (1.1, 1.1), (10.6, 11.4)), top)
    front = shaded(flat((60, 86, 116), 5), 1.05, 0.7)
    desk = paint_plane(picture, camera, rectangle((3.2, 6.2), (0, 1.1), (10.6, 10.6)), front)
    light = np.linspace(0.72, 1.1, 512, dtype=np.float32)[None, :, None]
    stone = flat((150, 168, 180), 6) * light
    pillar = paint_plane(picture, camera, rectangle((0.9, 1.35), (0, 4.5), (6.4, 6.4)), stone)
    return Scene(
        camera,
        finish(picture, 0.2),
        (_occluder(desk, (3.2, 10.6, 6.2, 10.6)), _occluder(pillar, (0.9, 6.4, 1.35, 6.4))),
        (0.95, 1.0, 1.06),
        None,
    )


def _corridor() -> Scene:
    """Cold and dim: two long walls with openings, a grey floor, strip lights."""
    camera = PinholeCamera(2.8, 14.0, 600.0)
    picture = new_picture((120, 112, 104))
    floor = shaded(tiles((128, 122, 112), (120, 114, 106), 32, (100, 96, 90), 31), 0.75, 1.05)
    paint_plane(picture, camera, rectangle((-6, 6), (0, 0), (1, 18.5)), floor)
    plaster = shaded(flat((150, 146, 132), 3, 33), 0.75, 0.95)
    for x0, x1, z in ((-6.0, 6.0, 18.5), (-6.0, -2.5, 9.0), (2.5, 6.0, 12.0)):
        paint_plane(picture, camera, rectangle((x0, x1), (0, 3.0), (z, z)), plaster * 0.8)
    sign = panel((90, 170, 60), (235, 240, 240), 1, 35)
    paint_plane(picture, camera, rectangle((-0.5, 0.5), (2.2, 2.6), (18.5, 18.5)), sign)
    ceiling = flat((140, 138, 130), 2, 37)
    paint_plane(picture, camera, rectangle((-2.5, 2.5), (3.0, 3.0), (6, 18.5)), ceiling)
    for z in (9.0, 12.0, 15.0):
        lamp = flat((250, 248, 240), 1, 39)
        paint_plane(picture, camera, rectangle((-0.3, 0.3), (2.99, 2.99), (z, z + 1.4)), lamp)
    occluders = []
    for x, pieces in ((-2.5, ((1.0, 7.0), (9.0, 16.0))), (2.5, ((1.0, 10.5), (12.0, 16.0)))):
        for near, far in pieces:
            band = shaded(flat((158, 150, 134), 3, 41), 0.85, 1.0)
            band[300:] = band[300:] * np.array([0.82, 0.7, 0.58], np.float32)
            corners = rectangle((x, x), (0, 3.0), (near, far))
            pixels = paint_plane(picture, camera, corners, band)
            occluders.append(_occluder(pixels, (x, near, x, far)))
    for x, z in ((-2.49, 4.6), (2.49, 6.2), (-2.49, 11.0), (2.49, 13.2)):
        door = panel((96, 88, 74), (70, 64, 56), 1, 43)
        paint_plane(picture, camera, rectangle((x, x), (0, 2.1), (z, z + 0.95)), door)
    return Scene(camera, finish(picture, 0.45), tuple(occluders), (0.92, 0.82, 0.76), None)


def _yard() -> Scene:
    """Outdoors in the sun: paving, lawn, a brick house, a tree, a planter, long shadows."""
    camera = PinholeCamera(3.6, 16.0, 540.0)
    picture = new_picture((232, 206, 170))
    lawn = flat((62, 120, 92), 14, 51, 1024)
    paint_plane(picture, camera, rectangle((-16, 16), (0, 0), (1, 17)), lawn)
    paving = tiles((150, 158, 162), (142, 150, 154), 40, (118, 124, 126), 53)
    paint_plane(picture, camera, rectangle((-11, 11), (0, 0), (1, 13.2)), shaded(paving, 1.1, 1))
    wall = shaded(bricks((72, 92, 158), (150, 158, 165), 40, 55), 1.0, 0.85)
    for x in (-14.0, -4.0, 6.0):
        paint_plane(picture, camera, rectangle((x, x + 10), (0, 4.4), (17, 17)), wall)
    for x in (-9.0, -5.0, 2.6, 6.6):
        window = panel((120, 96, 70), (230, 232, 232), 2, 57)
        paint_plane(picture, camera, rectangle((x, x + 1.8), (1.2, 3.0), (17, 17)), window)
    door = panel((70, 110, 40), (50, 76, 30), 1, 59)
    paint_plane(picture, camera, rectangle((-1.6, -0.4), (0, 2.2), (17, 17)), door)
    bark = flat((50, 66, 84), 14, 61) * np.linspace(1.25, 0.6, 512, dtype=np.float32)[None, :, None]
    tree = paint_plane(picture, camera, rectangle((-2.3, -2.02), (0, 5), (9.2, 9.2)), bark)
    earth = flat((46, 74, 66), 22, 63)
    paint_plane(picture, camera, rectangle((1.4, 3.4), (0.6, 0.6), (6.4, 7.0)), earth)
    box = shaded(flat((128, 140, 150), 6, 65), 1.0, 0.7)
    planter = paint_plane(picture, camera, rectangle((1.4, 3.4), (0, 0.6), (6.4, 6.4)), box)
    return Scene(
        camera,
        finish(picture, 0.12),
        (_occluder(tree, (-2.3, 9.2, -2.02, 9.2)), _occluder(planter, (1.4, 6.4, 3.4, 6.4))),
        (1.0, 1.06, 1.1),
        (0.75, 0.42),
    )


_BUILDERS: dict[str, Callable[[], Scene]] = {
    "lobby": _lobby,
    "corridor": _corridor,
    "yard": _yard,
}


@lru_cache(maxsize=3)
def scene(view: str) -> Scene:
    """Return a view's scene; KeyError for a name that is not in `demo_views()`."""
    return _BUILDERS[view]()
