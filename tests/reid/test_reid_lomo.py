"""LOMO against a window-by-window reference, its layout, and its invariances."""

from __future__ import annotations

import colorsys
import itertools
import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from reid_builders import person

from reid.classical.lomo import (
    LOMO_DIM,
    half_size,
    hsv_codes,
    lomo,
    row_maxima,
    scaled,
)
from reid.classical.retinex import multiscale_retinex
from reid.classical.siltp import siltp_codes

COLOURS = 40 * 512


def picture(seed: int, height: int = 128, width: int = 48) -> NDArray[np.uint8]:
    """Smooth colours with some noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (8, 3, 3)).astype(np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


def maxima_by_hand(codes: NDArray[np.integer], bins: int) -> list[list[int]]:
    """Count every 10 x 10 window, keep the largest count per row of windows."""
    height, width = codes.shape
    rows = []
    for top in range(0, height - 9, 5):
        best = [0] * bins
        for left in range(0, width - 9, 5):
            counts = [0] * bins
            for y in range(top, top + 10):
                for x in range(left, left + 10):
                    counts[int(codes[y, x])] += 1
            best = [max(a, b) for a, b in zip(best, counts, strict=True)]
        rows.append(best)
    return rows


@pytest.mark.parametrize(
    ("height", "width", "rows"),
    [(128, 48, 24), (64, 24, 11), (32, 12, 5), (10, 10, 1), (14, 19, 1), (15, 11, 2)],
)
def test_row_maxima_by_hand(height: int, width: int, rows: int) -> None:
    codes = np.random.default_rng(height).integers(0, 6, (height, width))
    found = row_maxima(codes, 6)
    assert found.shape == (rows, 6)
    assert found.tolist() == maxima_by_hand(codes, 6)


def test_a_full_window_counts_100() -> None:
    found = row_maxima(np.full((20, 20), 2), 4)
    assert found.tolist() == [[0, 0, 100, 0]] * 3


def test_the_place_in_a_row_does_not_matter() -> None:
    codes = np.zeros((10, 40), np.int64)
    codes[:, 5:15] = np.random.default_rng(0).integers(1, 5, (10, 10))
    moved = np.roll(codes, 15, axis=1)
    assert row_maxima(codes, 5)[0, 1:].tolist() == row_maxima(moved, 5)[0, 1:].tolist()


def test_half_size_by_hand() -> None:
    image = np.random.default_rng(1).normal(size=(7, 5, 3)).astype(np.float32)
    found = half_size(image)
    assert found.shape == (3, 2, 3)
    for y, x, c in np.ndindex(3, 2, 3):
        block = [float(image[2 * y + i, 2 * x + j, c]) for i in (0, 1) for j in (0, 1)]
        assert found[y, x, c] == pytest.approx(sum(block) / 4, abs=1e-6)


def test_hsv_codes_by_hand() -> None:
    colour = np.random.default_rng(2).uniform(0, 255, (12, 11, 3)).astype(np.float32)
    found = hsv_codes(colour)
    for y, x in np.ndindex(12, 11):
        parts = [8 * part for part in colorsys.rgb_to_hsv(*(float(v) / 255 for v in colour[y, x]))]
        if min(abs(part - round(part)) for part in parts) < 1e-4:
            continue  # on an edge between two bins
        hue, saturation, value = (min(int(part), 7) for part in parts)
        assert found[y, x] == 64 * hue + 8 * saturation + value


@pytest.mark.parametrize(
    ("rgb", "code"),
    [
        ((0, 0, 0), 0),
        ((255, 255, 255), 7),
        ((255, 0, 0), 63),
        ((0, 255, 0), 64 * 2 + 63),
        ((0, 0, 255), 64 * 5 + 63),
    ],
)
def test_hsv_codes_of_pure_colours(rgb: tuple[int, int, int], code: int) -> None:
    assert hsv_codes(np.full((1, 1, 3), rgb, np.float32)).tolist() == [[code]]


def test_the_whole_vector_by_hand() -> None:
    image = picture(3)
    colour = multiscale_retinex(image)
    grey = (0.299 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]).astype("f4")
    colours: list[int] = []
    textures: list[int] = []
    for _ in range(3):
        colours += itertools.chain(*maxima_by_hand(hsv_codes(colour), 512))
        for radius in (3, 5):
            textures += itertools.chain(*maxima_by_hand(siltp_codes(grey, radius), 81))
        colour, grey = half_size(colour), half_size(grey)
    expected = []
    for counts in (colours, textures):
        logs = [math.log(1 + count) for count in counts]
        length = math.sqrt(sum(value**2 for value in logs))
        expected += [value / length for value in logs]
    np.testing.assert_allclose(lomo(image), expected, atol=2e-3)
    wrong = np.abs(lomo(image) - expected) > 1e-5  # grey rounds differently at a threshold
    assert wrong.mean() < 1e-3


def test_dimension_and_lengths() -> None:
    found = lomo(picture(4))
    assert found.shape == (LOMO_DIM,) == (26_960,)
    assert found.dtype == np.float32
    assert np.linalg.norm(found[:COLOURS]) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(found[COLOURS:]) == pytest.approx(1, abs=1e-5)
    assert found.min() == 0


@pytest.mark.parametrize(("height", "width"), [(128, 64), (300, 90), (20, 10), (200, 30), (1, 1)])
def test_any_size_is_scaled_to_128_by_48(height: int, width: int) -> None:
    image = picture(5, height, width)
    assert scaled(image).shape == (128, 48, 3)
    np.testing.assert_array_equal(lomo(image), lomo(scaled(image)))


def test_large_pictures_are_averaged() -> None:
    image = np.random.default_rng(6).integers(0, 256, (256, 96, 3)).astype(np.uint8)
    blocks = image.reshape(128, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(scaled(image) - blocks).max() <= 0.5


def test_a_person_moved_sideways_stays_alike() -> None:
    image = np.full((128, 48, 3), 128, np.uint8)
    image[20:110, 5:25] = picture(7)[20:110, 5:25]
    moved, other = np.roll(image, 15, axis=1), image.copy()
    other[20:110, 5:25] = picture(8)[20:110, 5:25]
    near = np.linalg.norm(lomo(image)[:COLOURS] - lomo(moved)[:COLOURS])
    far = np.linalg.norm(lomo(image)[:COLOURS] - lomo(other)[:COLOURS])
    assert near < far / 2


def test_one_person_is_nearer_than_another() -> None:
    views = [[lomo(person(i, v, 128, 48)) for v in range(3)] for i in range(4)]
    for i, own in enumerate(views):
        within = max(float(np.linalg.norm(own[0] - view)) for view in own[1:])
        between = min(
            float(np.linalg.norm(own[0] - view))
            for j, others in enumerate(views)
            if j != i
            for view in others
        )
        assert within < between


@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_of_one_colour_is_finite(value: int) -> None:
    assert np.isfinite(lomo(np.full((128, 48, 3), value, np.uint8))).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((128, 48), np.uint8), r"\(h, w, 3\)"),
        (np.zeros((128, 48, 1), np.uint8), r"\(h, w, 3\)"),
        (np.zeros((128, 0, 3), np.uint8), r"\(h, w, 3\)"),
        (np.zeros((128, 48, 3), np.float32), "uint8"),
    ],
)
def test_bad_pictures(image: NDArray[np.uint8], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lomo(image)
