"""Augmentation: deterministic, in range, and each transform does its own thing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reid.data.augment import MEAN, STD, AugmentConfig, augment, normalise

NOTHING = {
    name: 0.0 for name in ("flip", "shift", "scale", "colour", "grey", "blur", "erase", "truncate")
}


def run(images: Tensor, seed: int = 0, **strengths: float) -> Tensor:
    """Augment a copy with only the named transforms switched on."""
    generator = torch.Generator().manual_seed(seed)
    return augment(images.clone(), AugmentConfig(**(NOTHING | strengths)), generator)


@pytest.fixture
def images() -> Tensor:
    return 0.1 + 0.8 * torch.rand(6, 3, 32, 16, generator=torch.Generator().manual_seed(1))


def test_nothing_is_identity(images: Tensor) -> None:
    torch.testing.assert_close(run(images), images, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("flip", 1.0),
        ("shift", 0.1),
        ("scale", 0.2),
        ("colour", 0.3),
        ("grey", 1.0),
        ("blur", 1.0),
        ("erase", 1.0),
        ("truncate", 1.0),
    ],
)
def test_each_transform_changes_every_picture(images: Tensor, name: str, strength: float) -> None:
    changed = (run(images, **{name: strength}) - images).abs().amax((1, 2, 3))
    assert (changed > 0.01).all()


@pytest.mark.parametrize("size", [(32, 16), (33, 17), (128, 64), (256, 128)])
def test_shape_and_range(size: tuple[int, int]) -> None:
    images = torch.rand(5, 3, *size)
    found = augment(images, AugmentConfig(), torch.Generator().manual_seed(0))
    assert found.shape == images.shape
    assert found.dtype == torch.float32
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1 + 1e-6


def test_deterministic_given_the_generator(images: Tensor) -> None:
    one, same, other = (
        augment(images.clone(), AugmentConfig(), torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    )
    torch.testing.assert_close(one, same, atol=0, rtol=0)
    assert (one != other).any()


def test_the_global_generator_is_left_alone(images: Tensor) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(images, colour=0.3, erase=1.0, blur=1.0)
    torch.testing.assert_close(torch.rand(3), expected)


def test_the_input_is_not_changed(images: Tensor) -> None:
    before = images.clone()
    augment(images, AugmentConfig(blur=1.0, erase=1.0), torch.Generator().manual_seed(0))
    torch.testing.assert_close(images, before, atol=0, rtol=0)


def test_flip_mirrors(images: Tensor) -> None:
    torch.testing.assert_close(run(images, flip=1.0), images.flip(3), atol=1e-4, rtol=0)


def test_grey_has_no_colour(images: Tensor) -> None:
    found = run(images, grey=1.0)
    torch.testing.assert_close(found[:, 0], found[:, 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(found.mean(1), images.mean(1), atol=1e-4, rtol=0)


def test_truncate_fills_the_bottom_with_the_mean(images: Tensor) -> None:
    found = run(images, truncate=1.0)
    for row, picture in enumerate(found):
        filled = (picture - torch.tensor(MEAN).view(3, 1, 1)).abs().amax((0, 2)) < 1e-6
        cut = int((~filled).sum())
        assert 0.5 * 32 - 1 <= cut <= 0.9 * 32 + 1
        assert filled[cut:].all()
        torch.testing.assert_close(picture[:, :cut], images[row, :, :cut], atol=1e-4, rtol=0)


def test_erase_touches_one_rectangle(images: Tensor) -> None:
    for before, after in zip(images, run(images, erase=1.0), strict=True):
        touched = ((after - before).abs() > 1e-3).any(0)
        rows, columns = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
        assert 0 < touched.float().mean() <= 0.64
        inside = touched[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert inside.float().mean() > 0.95


def test_blur_keeps_the_mean_and_loses_detail(images: Tensor) -> None:
    found = run(images, blur=1.0)
    assert float(found.std()) < 0.8 * float(images.std())
    torch.testing.assert_close(found.mean((2, 3)), images.mean((2, 3)), atol=0.05, rtol=0)


def test_probabilities_are_met() -> None:
    images = torch.rand(400, 3, 8, 4)
    found = run(images, flip=0.25)
    share = ((found - images).abs().amax((1, 2, 3)) > 0.01).float().mean()
    assert 0.15 < float(share) < 0.35


def test_normalise() -> None:
    images = torch.tensor(MEAN).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    torch.testing.assert_close(normalise(images), torch.zeros(2, 3, 4, 4))
    one_more = images + torch.tensor(STD).view(1, 3, 1, 1)
    torch.testing.assert_close(normalise(one_more), torch.ones(2, 3, 4, 4))
