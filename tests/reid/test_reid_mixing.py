"""Mixed pictures: kinds, sources, repeatability."""

from __future__ import annotations

import numpy as np
import pytest

import reid.data.mixing as mixing
from reid.data.augment import AugmentConfig
from reid.data.mixing import mixed_pictures

STILL = AugmentConfig(flip=0, shift=0, scale=0, colour=0, grey=0, blur=0, erase=0, truncate=0)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is varied, so that a picture can be recognised."""
    monkeypatch.setattr(mixing, "_VARIED", STILL)


def flat(value: int, count: int = 3, height: int = 16, width: int = 8) -> np.ndarray:
    return np.full((count, height, width, 3), value, np.uint8)


def test_shape_and_seed() -> None:
    own = np.random.default_rng(0).integers(0, 256, (5, 32, 16, 3)).astype(np.uint8)
    first = mixed_pictures(own, own[:0], 9, 4)
    assert first.shape == (9, 32, 16, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, mixed_pictures(own, own[:0], 9, 4))
    assert (first != mixed_pictures(own, own[:0], 9, 5)).any()


def test_more_than_one_chunk(monkeypatch: pytest.MonkeyPatch, still: None) -> None:
    monkeypatch.setattr(mixing, "_CHUNK", 4)
    found = mixed_pictures(flat(90), flat(90, 0), 11, 0)
    assert found.shape[0] == 11
    assert np.abs(found.astype(int) - 90).max() <= 1


@pytest.mark.usefixtures("still")
def test_a_picture_is_plain_blended_or_cut_across() -> None:
    own, others = flat(0), flat(200)
    found = mixed_pictures(own, others, 400, 1, others_share=0.5).astype(int)
    rows = found.mean((2, 3))
    assert np.ptp(found, axis=(2, 3)).max() <= 1, "a row is of one weight"
    jump = np.ptp(rows, axis=1)
    cut = jump > 190
    assert (jump[~cut] <= 1).all(), "no weight changes more than once"
    blended = ~cut & (rows.mean(1) > 5) & (rows.mean(1) < 195)
    assert cut.mean() == pytest.approx(0.15, abs=0.06), "three tenths, half of them of two colours"
    assert blended.mean() == pytest.approx(0.15, abs=0.06)
    assert rows[blended].mean(1).min() >= 38
    assert rows[blended].mean(1).max() <= 162
    borders = (rows[cut] > 100).sum(1)
    assert borders.min() >= 4
    assert borders.max() <= 12


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("share", "mean"), [(0.0, 10), (1.0, 210), (0.25, 60)])
def test_the_share_of_the_others(share: float, mean: float) -> None:
    found = mixed_pictures(flat(10), flat(210), 600, 2, others_share=share)
    assert float(found.mean()) == pytest.approx(mean, abs=12)
