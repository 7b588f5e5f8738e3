"""SILTP codes against a pixel-by-pixel reference, and their invariance to light."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reid.classical.siltp import CODES, siltp_codes


def grey(seed: int, height: int, width: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(0, 255, (height, width))


def code_by_hand(
    values: NDArray[np.float64], row: int, column: int, radius: int, tau: float
) -> int:
    """Digits in base 3: right, up, left, down; positions outside are moved to the border."""
    height, width = values.shape
    places = [
        (row, column + radius),
        (row - radius, column),
        (row, column - radius),
        (row + radius, column),
    ]
    centre, code = float(values[row, column]), 0
    for k, (y, x) in enumerate(places):
        near = float(values[min(max(y, 0), height - 1), min(max(x, 0), width - 1)])
        digit = 1 if near > (1 + tau) * centre else 2 if near < (1 - tau) * centre else 0
        code += digit * 3**k
    return code


@pytest.mark.parametrize("tau", [0.0, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("radius", [1, 3, 5])
@pytest.mark.parametrize(("height", "width"), [(9, 7), (3, 12), (1, 1)])
def test_by_hand(height: int, width: int, radius: int, tau: float) -> None:
    values = grey(height, height, width)
    expected = [
        [code_by_hand(values, y, x, radius, tau) for x in range(width)] for y in range(height)
    ]
    found = siltp_codes(values, radius, tau)
    assert found.dtype == np.uint8
    assert found.tolist() == expected


def test_one_digit_per_neighbour() -> None:
    values = np.full((5, 5), 10.0)
    values[2, 3], values[1, 2], values[2, 1], values[3, 2] = 20, 5, 12, 8  # right up left down
    assert siltp_codes(values, 1)[2, 2] == 1 + 2 * 3
    values[3, 2] = 6.9
    assert siltp_codes(values, 1)[2, 2] == 1 + 2 * 3 + 2 * 27


def test_all_codes_below_81() -> None:
    found = siltp_codes(grey(0, 200, 200), 3)
    assert found.max() < CODES == 81
    assert len(np.unique(found)) == 81


def test_tau_is_0_3_by_default() -> None:
    values = grey(5, 20, 20)
    np.testing.assert_array_equal(siltp_codes(values, 3), siltp_codes(values, 3, 0.3))


@given(st.integers(0, 1000), st.integers(-10, 10), st.sampled_from([np.float32, np.float64]))
def test_the_light_s_scale_does_not_matter(seed: int, power: int, kind: type) -> None:
    values = grey(seed, 12, 8).astype(kind)
    np.testing.assert_array_equal(siltp_codes(values, 3), siltp_codes(values * kind(2.0**power), 3))


@pytest.mark.parametrize("scale", [0.01, 0.37, 5.3])
def test_any_scale_does_not_matter(scale: float) -> None:
    values = grey(6, 40, 40)
    np.testing.assert_array_equal(siltp_codes(values, 5), siltp_codes(values * scale, 5))


def test_an_offset_does_matter() -> None:
    values = grey(7, 20, 20)
    assert (siltp_codes(values, 3) != siltp_codes(values + 100, 3)).mean() > 0.5


def test_one_grey_has_code_0() -> None:
    for value in (0.0, 1.0, 200.0):
        assert not siltp_codes(np.full((6, 6), value), 3).any()


def test_noise_within_tau_has_code_0() -> None:
    values = np.random.default_rng(8).uniform(100, 129, (20, 20))
    assert not siltp_codes(values, 3).any()


@pytest.mark.parametrize(
    ("values", "radius", "tau", "message"),
    [
        (np.zeros((4, 4), np.uint8), 3, 0.3, "floats"),
        (np.zeros((4, 4, 3)), 3, 0.3, "floats"),
        (np.zeros((0, 4)), 3, 0.3, "floats"),
        (np.zeros((4, 4)), 0, 0.3, "radius 0"),
        (np.zeros((4, 4)), 3, -0.1, "tau -0.1"),
        (np.zeros((4, 4)), 3, 1.0, "tau 1.0"),
    ],
)
def test_bad_input(values: NDArray[np.floating], radius: int, tau: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        siltp_codes(values, radius, tau)
