"""Colours of each part of a person: patterns, folds, face and hair."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.demo.body import REFERENCE_HEIGHT_M, Part
from pipeline.demo.people import Color, Garment, Person

Floats = NDArray[np.float32]
_NOISE_SIZE = 512


@lru_cache(maxsize=16)
def noise(sigma: float, seed: int) -> Floats:
    """Smooth noise that tiles, (512, 512) with mean 0 and standard deviation 1."""
    raw = np.random.default_rng(seed).standard_normal((_NOISE_SIZE, _NOISE_SIZE))
    tiled = np.tile(raw.astype(np.float32), (3, 3))
    smooth = cv2.GaussianBlur(tiled, (0, 0), sigma)[
        _NOISE_SIZE : 2 * _NOISE_SIZE, _NOISE_SIZE : 2 * _NOISE_SIZE
    ]
    return np.asarray(smooth / smooth.std(), np.float32)


def _sample(texture: Floats, u: Floats, v: Floats) -> Floats:
    return texture[v.astype(np.int32) % _NOISE_SIZE, u.astype(np.int32) % _NOISE_SIZE]


def paint_parts(
    person: Person, part: NDArray[np.uint8], body: Floats, mask: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Colour each pixel.

    Args:
        person: clothes.
        part: (H, W) `Part` numbers.
        body: (H, W, 3) surface points in the body frame, metres.
        mask: (H, W) pixels that show the person.

    Returns:
        (H, W, 3) float32 BGR without light, and (H, W, 2) changes of the normal that make folds.
    """
    points = body[mask] * (REFERENCE_HEIGHT_M / person.height_m)
    kinds = part[mask]
    x, y, z = points.T
    around = (np.arctan2(x, z + 1e-6) * 60).astype(np.float32)
    colors = np.zeros((len(points), 3), np.float32)
    flat: dict[Part, Color] = {
        Part.SKIN: person.skin,
        Part.HAIR: person.hair_color,
        Part.SHOES: person.shoes,
        Part.BAG: person.bag_color,
        Part.HAT: person.hat or person.hair_color,
    }
    for kind, color in flat.items():
        colors[kinds == kind] = color
    for kind, garment in ((Part.TOP, person.top), (Part.BOTTOM, person.bottom)):
        chosen = kinds == kind
        colors[chosen] = _garment(garment, points[chosen])
    face = kinds == Part.HEAD
    colors[face] = _face(person, points[face])
    colors *= (1 + 0.035 * _sample(noise(1.2, 1), x * 300 + around, y * 300 + z * 200))[:, None]
    hair = kinds == Part.HAIR
    strands = _sample(noise(1.5, 2), (around * 6)[hair], (y * 25)[hair])
    colors[hair] *= (1 + 0.22 * strands)[:, None]
    folds = _folds(points, (kinds == Part.TOP) | (kinds == Part.BOTTOM))
    albedo = np.zeros((*mask.shape, 3), np.float32)
    bumps = np.zeros((*mask.shape, 2), np.float32)
    albedo[mask], bumps[mask] = colors, folds
    return albedo, bumps


def _folds(points: Floats, cloth: NDArray[np.bool_]) -> Floats:
    """Changes of the normal, (N, 2), on the points that are cloth."""
    x, y, z = points[cloth].T
    u, v = x * 260 + z * 170, y * 150 + x * 60
    folds = np.zeros((len(points), 2), np.float32)
    folds[cloth, 0] = 0.09 * _sample(noise(5.0, 3), u, v)
    folds[cloth, 1] = 0.11 * _sample(noise(5.0, 4), u, v)
    return folds


def _garment(garment: Garment, points: Floats) -> Floats:
    x, y, z = points.T
    main, second = np.array(garment.color, np.float32), np.array(garment.second, np.float32)
    if garment.pattern == "stripes":
        other = np.mod(y, 0.1) < 0.045
    elif garment.pattern == "pinstripes":
        other = np.mod(x + 0.4 * z, 0.05) < 0.012
    elif garment.pattern == "checks":
        other = (np.mod(y, 0.14) < 0.07) ^ (np.mod(x + 0.5 * z, 0.14) < 0.07)
    elif garment.pattern == "block":
        other = y > 1.26
    elif garment.pattern == "badge":
        other = (np.abs(x) < 0.09) & (np.abs(y - 1.27) < 0.08)
    elif garment.pattern == "camouflage":
        other = _sample(noise(9.0, 5), x * 260 + z * 170, y * 230) > 0.2
    else:
        other = np.zeros(len(points), bool)
    return np.where(other[:, None], second, main).astype(np.float32)


def _face(person: Person, points: Floats) -> Floats:
    """Skin with eyes, brows and mouth in front."""
    x, y, z = points.T
    colors = np.tile(np.array(person.skin, np.float32), (len(points), 1))
    front = z > 0.06
    side = np.abs(x)
    eyes = front & (np.abs(y - 1.648) < 0.0085) & (np.abs(side - 0.033) < 0.015)
    brows = front & (np.abs(y - 1.668) < 0.005) & (np.abs(side - 0.034) < 0.021)
    mouth = front & (np.abs(y - 1.578) < 0.006) & (side < 0.027)
    cheeks = front & (np.abs(y - 1.61) < 0.02) & (np.abs(side - 0.045) < 0.02)
    colors[cheeks] *= np.array([0.93, 0.95, 1.03], np.float32)
    colors[mouth] *= np.array([0.62, 0.58, 0.8], np.float32)
    colors[brows] = np.array(person.hair_color) * 0.5 + np.array(person.skin) * 0.25
    colors[eyes] = (38, 38, 40)
    return colors
