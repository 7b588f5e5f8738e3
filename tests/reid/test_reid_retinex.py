"""Multiscale Retinex against a pixel-by-pixel float64 reference, and what it is for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from reid.classical.retinex import multiscale_retinex


def picture(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def surround(values: list[list[float]], row: int, column: int, sigma: float) -> float:
    """Gaussian mean of the pixels of the picture around one of them."""
    total = weight = 0.0
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            near = math.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma**2))
            total, weight = total + near * value, weight + near
    return total / weight


def retinex_by_hand(image: NDArray[np.uint8], sigmas: tuple[float, ...]) -> NDArray[np.float64]:
    height, width = image.shape[:2]
    out = np.zeros(image.shape)
    for c in range(3):
        light = [[float(v) + 1 for v in line] for line in image[:, :, c]]
        for y in range(height):
            for x in range(width):
                logs = [math.log(light[y][x] / surround(light, y, x, s)) for s in sigmas]
                share = light[y][x] / sum(float(v) + 1 for v in image[y, x])
                out[y, x, c] = sum(logs) / len(sigmas) * math.log(125 * share)
    low, high = (percentile(sorted(out.ravel().tolist()), share) for share in (0.01, 0.99))
    return np.clip((out - low) / (high - low) * 255, 0, 255)


def percentile(ordered: list[float], share: float) -> float:
    """Linear between the two values around that share of the way."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@pytest.mark.parametrize("sigmas", [(5.0, 20.0), (1.0,), (0.7, 2.0, 4.0)])
@pytest.mark.parametrize(("height", "width"), [(7, 5), (4, 9), (2, 1)])
def test_by_hand(height: int, width: int, sigmas: tuple[float, ...]) -> None:
    image = picture(height, height, width)
    found = multiscale_retinex(image, sigmas)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, retinex_by_hand(image, sigmas), atol=0.05)


def test_the_paper_s_scales_are_the_default() -> None:
    image = picture(1, 12, 8)
    np.testing.assert_array_equal(multiscale_retinex(image), multiscale_retinex(image, (5.0, 20.0)))


def test_it_fills_0_to_255() -> None:
    found = multiscale_retinex(picture(2, 16, 8))
    assert (found.min(), found.max()) == (0, pytest.approx(255, abs=1e-3))


def test_a_glint_does_not_darken_the_rest() -> None:
    image = np.random.default_rng(5).integers(90, 110, (32, 16, 3)).astype(np.uint8)
    glint = image.copy()
    glint[3, 4] = 255
    found, plain = multiscale_retinex(glint), multiscale_retinex(image)
    assert found[10:].std() > 0.9 * plain[10:].std()


@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_picture_of_one_colour_is_black(value: int) -> None:
    image = np.full((16, 8, 3), (value, value // 2, value // 3), np.uint8)
    found = multiscale_retinex(image)
    assert found.dtype == np.float32
    assert not found.any()


def test_darker_light_changes_it_less_than_the_picture() -> None:
    bright = np.random.default_rng(3).integers(100, 250, (32, 16, 3)).astype(np.uint8)
    dark = (bright // 2).astype(np.uint8)
    before = float(np.abs(bright.astype(float) - dark).mean())
    after = float(np.abs(multiscale_retinex(bright) - multiscale_retinex(dark)).mean())
    assert after < before / 20


def test_mirrored_picture() -> None:
    image = picture(4, 9, 6)
    np.testing.assert_allclose(
        multiscale_retinex(image[:, ::-1]), multiscale_retinex(image)[:, ::-1], atol=0.01
    )


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"\(H, W, 3\)"),
        (np.zeros((4, 4, 4), np.uint8), r"\(H, W, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(H, W, 3\)"),
        (np.zeros((4, 4, 3), np.float32), "uint8"),
    ],
)
def test_bad_pictures(image: NDArray[np.uint8], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        multiscale_retinex(image)


@pytest.mark.parametrize("sigmas", [(), (0.0,), (5.0, -1.0)])
def test_bad_sigmas(sigmas: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        multiscale_retinex(picture(0, 4, 4), sigmas)
