"""Puts painted people into a picture and measures what of each can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.demo.geometry import HEIGHT, WIDTH, Placement
from pipeline.demo.sprite import Sprite

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
_OPAQUE = 128
_NOISE_FRAMES = 6


@dataclass(frozen=True)
class Layer:
    """One person at a place in the picture.

    Attributes:
        identity: the person.
        depth_m: distance, for the order of drawing.
        left, top: pixel of the upper left corner of `bgra`, inside the picture.
        bgra: (h, w, 4) uint8, cut at the picture's edges and at things in front.
        area: pixels of the whole person, also outside the picture and behind things.
        foot_xy, pixels_per_m: for the shadow.
        in_front: (480, 640) bool, pixels of things that take neither person nor shadow; or None.
    """

    identity: int
    depth_m: float
    left: int
    top: int
    bgra: Image
    area: int
    foot_xy: tuple[float, float]
    pixels_per_m: float
    in_front: Mask | None

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that `bgra` covers."""
        h, w = self.bgra.shape[:2]
        return slice(self.top, self.top + h), slice(self.left, self.left + w)


@dataclass(frozen=True)
class Seen:
    """What can be seen of one person: id, box (left, top, right, bottom pixels) and share 0..1."""

    identity: int
    box_xyxy: tuple[float, float, float, float]
    visibility: float


def make_layer(
    identity: int, sprite: Sprite, placement: Placement, hidden_by: Sequence[Mask] = ()
) -> Layer | None:
    """Scale a sprite into the picture; None if nothing of it is inside.

    Args:
        identity: the person.
        sprite: painted person.
        placement: where.
        hidden_by: (480, 640) masks of things in front of the person.
    """
    factor = placement.pixels_per_m / sprite.pixels_per_m
    h, w = sprite.bgra.shape[:2]
    size = (max(round(w * factor), 1), max(round(h * factor), 1))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(sprite.bgra, size, interpolation=how)
    left = round(placement.foot_xy[0] - sprite.anchor_xy[0] * size[0] / w)
    top = round(placement.foot_xy[1] - sprite.anchor_xy[1] * size[1] / h)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + size[0], WIDTH), min(top + size[1], HEIGHT)
    if x0 >= x1 or y0 >= y1:
        return None
    area = int((scaled[..., 3] >= _OPAQUE).sum())
    cut = np.ascontiguousarray(scaled[y0 - top : y1 - top, x0 - left : x1 - left])
    in_front = np.logical_or.reduce(list(hidden_by)) if hidden_by else None
    if in_front is not None:
        cut[..., 3][in_front[y0:y1, x0:x1]] = 0
    return Layer(
        identity, placement.depth_m, x0, y0, np.asarray(cut, np.uint8), area,
        placement.foot_xy, placement.pixels_per_m, in_front,
    )  # fmt: skip


def look(layers: Sequence[Layer]) -> list[Seen]:
    """Measure what can be seen of each person, ordered by identity.

    The box is that of the pixels that no nearer person and no thing hides. People of whom nothing
    can be seen are left out.
    """
    taken = np.zeros((HEIGHT, WIDTH), bool)
    found: list[Seen] = []
    for layer in sorted(layers, key=lambda one: one.depth_m):
        opaque = layer.bgra[..., 3] >= _OPAQUE
        free = opaque & ~taken[layer.window]
        taken[layer.window] |= opaque
        columns, rows = np.flatnonzero(free.any(0)), np.flatnonzero(free.any(1))
        if not len(columns):
            continue
        box = (
            float(layer.left + columns[0]), float(layer.top + rows[0]),
            float(layer.left + columns[-1] + 1), float(layer.top + rows[-1] + 1),
        )  # fmt: skip
        found.append(Seen(layer.identity, box, float(free.sum()) / layer.area))
    return sorted(found, key=lambda one: one.identity)


def draw(
    background: Image,
    layers: Sequence[Layer],
    gain_bgr: tuple[float, float, float] = (1.0, 1.0, 1.0),
    sun: tuple[float, float] | None = None,
    noise_index: int = 0,
) -> Image:
    """Draw people over a background, far ones first.

    Args:
        background: (480, 640, 3) uint8; not changed.
        layers: people.
        gain_bgr: colour of the light on them.
        sun: direction of cast shadows, see `Scene`; None for a soft shadow only.
        noise_index: which of the fixed sensor-noise pictures is added.
    """
    image = background.copy()
    ordered = sorted(layers, key=lambda one: -one.depth_m)
    for layer in ordered:
        if sun is not None:
            _cast_shadow(image, layer, sun)
        _contact_shadow(image, layer)
    gain = np.array(gain_bgr, np.float32)
    for layer in ordered:
        alpha = layer.bgra[..., 3:].astype(np.float32) / 255
        target = image[layer.window].astype(np.float32)
        target += alpha * (layer.bgra[..., :3] * gain - target)
        image[layer.window] = np.clip(target, 0, 255).astype(np.uint8)
    soft = cv2.GaussianBlur(image, (0, 0), 0.55)
    grain = _sensor_noise()[noise_index % _NOISE_FRAMES]
    return np.asarray(cv2.addWeighted(soft, 1.0, grain, 1.0, -128.0), np.uint8)


@lru_cache(maxsize=1)
def _sensor_noise() -> list[Image]:
    rng = np.random.default_rng(97)
    shape = (HEIGHT, WIDTH, 3)
    return [
        np.clip(rng.normal(128, 2.2, shape), 0, 255).astype(np.uint8) for _ in range(_NOISE_FRAMES)
    ]


@lru_cache(maxsize=1)
def _blob() -> NDArray[np.float32]:
    ys, xs = np.mgrid[-1:1:48j, -1:1:96j]
    return np.asarray(np.clip(1 - np.hypot(xs, ys), 0, 1) ** 0.8 * 0.55, np.float32)


def _darken(image: Image, layer: Layer, left: int, top: int, shade: NDArray[np.float32]) -> None:
    """Multiply by 1 - shade at a place that may lie partly outside."""
    h, w = shade.shape
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + w, WIDTH), min(top + h, HEIGHT)
    if x0 >= x1 or y0 >= y1:
        return
    part = shade[y0 - top : y1 - top, x0 - left : x1 - left, None]
    if layer.in_front is not None:
        part = part * ~layer.in_front[y0:y1, x0:x1, None]
    image[y0:y1, x0:x1] = (image[y0:y1, x0:x1] * (1 - part)).astype(np.uint8)


def _contact_shadow(image: Image, layer: Layer) -> None:
    x, y = layer.foot_xy
    if y >= HEIGHT + 40 or not layer.bgra[-3:, :, 3].any():
        return
    w, h = max(round(0.9 * layer.pixels_per_m), 2), max(round(0.32 * layer.pixels_per_m), 2)
    shade = np.asarray(cv2.resize(_blob(), (w, h)), np.float32)
    _darken(image, layer, round(x - w / 2), round(y - h / 2), shade)


def _cast_shadow(image: Image, layer: Layer, sun: tuple[float, float]) -> None:
    """Lay the person's outline on the ground, away from the sun."""
    shift, length = sun
    h, w = layer.bgra.shape[:2]
    foot = layer.foot_xy[1] - layer.top
    matrix = np.array([[1, -shift, shift * foot], [0, length, (1 - length) * h]], np.float32)
    size = (int(w + shift * h) + 1, h)
    outline = cv2.warpAffine(layer.bgra[..., 3], matrix, size)
    shade = cv2.GaussianBlur(outline, (0, 0), 1.2).astype(np.float32) * (0.42 / 255)
    _darken(image, layer, layer.left, round(layer.top + (1 - length) * (foot - h)), shade)
