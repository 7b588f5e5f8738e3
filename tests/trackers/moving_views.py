"""Pictures of a made-up scene as a moving camera sees it, with the motion known exactly."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np


@cache
def scene(seed: int = 0, size_wh: tuple[int, int] = (900, 700)) -> np.ndarray:
    """(H, W, 3) uint8 blobs of several sizes, with something to hold on to everywhere."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size_wh[1], size_wh[0]))
    for sigma in (2.0, 5.0, 15.0):
        layer = cv2.GaussianBlur(rng.standard_normal(total.shape), (0, 0), sigma)
        total += layer / layer.std()
    grey = np.clip(128 + 30 * total, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)


def similarity(dx: float = 0, dy: float = 0, degrees: float = 0, scale: float = 1) -> np.ndarray:
    """(2, 3) float64: turn and scale about the origin, then shift."""
    turn = np.deg2rad(degrees)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[cos, -sin, dx], [sin, cos, dy]])


def chain(later: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """(2, 3): first `earlier`, then `later`."""
    whole = np.vstack([later, [0, 0, 1]]) @ np.vstack([earlier, [0, 0, 1]])
    return whole[:2]


def view(
    scene_to_view: np.ndarray,
    size_wh: tuple[int, int] = (320, 240),
    noise: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """What the camera sees if the scene's pixels fall where the affine says.

    Coordinates are those of boxes: the middle of the first pixel is (0.5, 0.5).
    """
    half = np.array([[1, 0, 0.5], [0, 1, 0.5]])
    back = np.array([[1, 0, -0.5], [0, 1, -0.5]])
    affine = chain(back, chain(scene_to_view, half))
    picture = cv2.warpAffine(scene(), affine, size_wh, flags=cv2.INTER_CUBIC)
    if noise:
        rough = np.random.default_rng(seed).normal(0, noise, (*picture.shape[:2], 1))
        picture = np.clip(picture + rough, 0, 255).astype(np.uint8)
    return picture


START = similarity(-280, -220)
"""The middle of the scene, from which a camera may move in every direction."""
