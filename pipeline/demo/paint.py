"""Textures and planes for backgrounds."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.demo.cloth import noise
from pipeline.demo.geometry import HEIGHT, WIDTH, PinholeCamera
from pipeline.demo.people import Color

Floats = NDArray[np.float32]
Corner = tuple[float, float, float]
OVERSAMPLING = 2


def flat(color: Color, grain: float = 4.0, seed: int = 11, size: int = 512) -> Floats:
    """A square of one colour with fine and coarse grain, (size, size, 3)."""
    shift = (seed * 37 % 512, seed * 61 % 512)
    coarse = cv2.resize(np.roll(noise(20.0, 11), shift, (0, 1)), (size, size))
    fine = cv2.resize(np.roll(noise(1.0, 12), shift, (0, 1)), (size, size))
    base = np.array(color, np.float32)
    return np.asarray(base + (grain * (coarse + 0.6 * fine))[..., None], np.float32)


def tiles(first: Color, second: Color, cells: int, joint: Color, seed: int = 13) -> Floats:
    """Chequered tiles with joints, `cells` x `cells`, (1024, 1024, 3) float32 BGR."""
    size = 1024
    step = size // cells
    rows, columns = np.mgrid[0:size, 0:size]
    even = ((rows // step + columns // step) % 2 == 0)[..., None]
    image = np.where(even, flat(first, 5, seed, size), flat(second, 5, seed + 2, size))
    tone = np.random.default_rng(seed).normal(1, 0.025, (size // step + 1, size // step + 1))
    image *= tone[rows // step, columns // step][..., None]
    gap = (rows % step < 2) | (columns % step < 2)
    image[gap] = joint
    return image.astype(np.float32)


def bricks(color: Color, joint: Color, courses: int, seed: int = 17) -> Floats:
    """A wall of bricks in running bond, `courses` high, (1024, 1024, 3) float32 BGR."""
    size = 1024
    tall = size // courses
    long = tall * 3
    rows, columns = np.mgrid[0:size, 0:size]
    course = rows // tall
    shifted = columns + (course % 2) * (long // 2)
    tone = np.random.default_rng(seed).normal(1, 0.1, (courses + 2, size // long + 3))
    image = flat(color, 7, seed, size) * tone[course, shifted // long][..., None]
    gap = (rows % tall < max(tall // 8, 1)) | (shifted % long < max(tall // 8, 1))
    image[gap] = joint
    return image.astype(np.float32)


def panel(color: Color, frame: Color, split: int = 1, seed: int = 19) -> Floats:
    """A door, window or picture: a frame around `split` panes, (512, 512, 3) float32 BGR."""
    image = flat(color, 4, seed)
    cv2.rectangle(image, (0, 0), (511, 511), frame, 44)
    for k in range(1, split):
        x = 512 * k // split
        cv2.line(image, (x, 0), (x, 511), frame, 22)
    return image


def shaded(texture: Floats, top: float, bottom: float) -> Floats:
    """Multiply an (h, w, 3) texture by a vertical ramp of brightness, 1 for unchanged."""
    ramp = np.linspace(top, bottom, texture.shape[0], dtype=np.float32)
    return texture * ramp[:, None, None]


def new_picture(color: Color) -> Floats:
    """An empty picture, larger than the final one by `OVERSAMPLING`: (960, 1280, 3) float32 BGR."""
    shape = (HEIGHT * OVERSAMPLING, WIDTH * OVERSAMPLING, 3)
    return np.full(shape, color, np.float32)


def paint_plane(
    picture: Floats, camera: PinholeCamera, corners: Sequence[Corner], texture: Floats
) -> NDArray[np.float64]:
    """Draw a textured rectangle of the world.

    Args:
        picture: from `new_picture`; changed in place.
        camera: the view.
        corners: top left, top right, bottom right, bottom left of the texture, in metres.
        texture: (h, w, 3) float32.

    Returns:
        the (4, 2) corners in pixels of the final picture.
    """
    pixels, _ = camera.project(np.array(corners, float))
    h, w = texture.shape[:2]
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (pixels * OVERSAMPLING).astype(np.float32))
    size = (picture.shape[1], picture.shape[0])
    warped = cv2.warpPerspective(
        texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.warpPerspective(np.ones((h, w), np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    picture[inside > 0] = warped[inside > 0]
    return pixels


def rectangle(
    x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]
) -> list[Corner]:
    """Corners of an axis-parallel rectangle: a floor if y is constant, else a wall."""
    if y[0] == y[1]:
        return [(x[0], y[0], z[1]), (x[1], y[0], z[1]), (x[1], y[0], z[0]), (x[0], y[0], z[0])]
    return [(x[0], y[1], z[0]), (x[1], y[1], z[1]), (x[1], y[0], z[1]), (x[0], y[0], z[0])]


def finish(picture: Floats, vignette: float = 0.25) -> NDArray[np.uint8]:
    """Scale to the final size, darken the corners, round: (480, 640, 3) uint8 BGR."""
    small = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH]
    radius = np.hypot((xs - WIDTH / 2) / (WIDTH / 2), (ys - HEIGHT / 2) / (HEIGHT / 2))
    small *= (1 - vignette * np.clip(radius, 0, 1.5) ** 2 / 2)[..., None]
    return np.clip(small, 0, 255).astype(np.uint8)
