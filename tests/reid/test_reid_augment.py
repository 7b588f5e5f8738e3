"""Augmentation: deterministic, in range, and each transform does its own thing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from reid_builders import tiny_yaml
from torch import Tensor

from reid.config import load_reid_config
from reid.data.augment import MEAN, STD, AugmentConfig, augment, normalise
from reid.data.joints import JOINTS, MIRRORED
from reid.errors import ReidError

NOTHING = {name: 0 for name in AugmentConfig.model_fields}


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
        ("pad_crop", 3),
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


def test_pad_crop_shows_a_window_of_the_padded_picture(images: Tensor) -> None:
    found = run(images, seed=2, pad_crop=3)
    windows = set()
    for before, after in zip(images, found, strict=True):
        padded = torch.zeros(3, 32 + 6, 16 + 6)
        padded[:, 3:-3, 3:-3] = before
        fits = [
            (top, left)
            for top in range(7)
            for left in range(7)
            if torch.allclose(padded[:, top : top + 32, left : left + 16], after, atol=1e-4)
        ]
        assert len(fits) == 1
        windows.add(fits[0])
    assert len(windows) > 3


def test_the_corners_of_pad_crop_are_all_reached() -> None:
    images = torch.rand(300, 3, 8, 4, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.5
    found = run(images, pad_crop=1)
    tops = (found[:, :, 0] < 0.01).all((1, 2)).float().mean()
    lefts = (found[:, :, :, 0] < 0.01).all((1, 2)).float().mean()
    assert 0.23 < float(tops) < 0.43, "one of three rows"
    assert 0.23 < float(lefts) < 0.43


# Joints

HEIGHT, WIDTH = 96, 48


def spots(joints: Tensor) -> Tensor:
    """(14, 2) fractions -> (14, 3, H, W): a soft bright spot at one joint in each picture."""
    rows = torch.arange(HEIGHT)[:, None] + 0.5 - joints[:, 1].view(-1, 1, 1) * HEIGHT
    columns = torch.arange(WIDTH)[None] + 0.5 - joints[:, 0].view(-1, 1, 1) * WIDTH
    return torch.exp(-(rows**2 + columns**2) / 6)[:, None].repeat(1, 3, 1, 1)


def centre(picture: Tensor) -> tuple[float, float]:
    """(3, H, W) with one spot -> its place in fractions x, y."""
    mass = (picture.mean(0).double() - 2e-4).clamp(min=0)  # black is raised to 1e-4
    x = (mass.sum(0) * (torch.arange(WIDTH) + 0.5)).sum() / mass.sum() / WIDTH
    y = (mass.sum(1) * (torch.arange(HEIGHT) + 0.5)).sum() / mass.sum() / HEIGHT
    return float(x), float(y)


@pytest.fixture
def joints() -> Tensor:
    """One set of 14 different places, in the middle so that no spot leaves the picture."""
    return 0.35 + 0.3 * torch.rand(14, 2, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "strengths",
    [
        {},
        {"flip": 1.0},
        {"shift": 0.08},
        {"scale": 0.2},
        {"pad_crop": 5},
        {"flip": 0.5, "shift": 0.06, "scale": 0.1, "pad_crop": 3},
    ],
)
def test_a_dot_at_a_joint_is_found_where_the_joint_went(
    joints: Tensor, strengths: dict[str, float], seed: int
) -> None:
    config = AugmentConfig(**(NOTHING | strengths))
    generator = torch.Generator().manual_seed(seed)
    pictures, moved = augment(spots(joints), config, generator, joints.expand(14, 14, 2))
    assert moved.shape == (14, 14, 2)
    mirrored = 0
    for dot, picture in enumerate(pictures):
        x, y = centre(picture)
        here = (moved[dot] - torch.tensor([x, y])).abs() * torch.tensor([WIDTH, HEIGHT])
        near = (here < 0.15).all(1).nonzero().flatten().tolist()
        assert near in ([dot], [MIRRORED[dot]]), JOINTS[dot]
        mirrored += near != [dot]
    if strengths.get("flip") == 1:
        assert mirrored == 12, "all but the head's top and the neck swap sides"
    if not strengths.get("flip"):
        assert mirrored == 0


def test_pictures_are_the_same_with_joints(images: Tensor) -> None:
    for config in (AugmentConfig(), AugmentConfig(pad_crop=2)):
        plain = augment(images, config, torch.Generator().manual_seed(6))
        both, _ = augment(images, config, torch.Generator().manual_seed(6), torch.rand(6, 14, 2))
        torch.testing.assert_close(plain, both, atol=0, rtol=0)


def test_the_default_is_what_it_was() -> None:
    """Sums of the pictures before joints and pad_crop were added (the first is of seed 0)."""
    images = torch.linspace(0, 1, 8 * 3 * 32 * 16).view(8, 3, 32, 16).flip(0)
    sums = [
        float(augment(images, AugmentConfig(), torch.Generator().manual_seed(seed)).double().sum())
        for seed in (0, 1)
    ]
    assert sums == pytest.approx([5843.511, 5773.937], rel=1e-6)


def test_unusable_joints_stay_unusable(images: Tensor) -> None:
    joints = torch.full((6, 14, 2), 0.5)
    joints[:, 3] = torch.nan
    _, moved = augment(images, AugmentConfig(**NOTHING), torch.Generator().manual_seed(0), joints)
    assert moved[:, 3].isnan().all()
    torch.testing.assert_close(moved[:, 4:], joints[:, 4:], atol=1e-6, rtol=0)


def test_a_joint_that_leaves_the_picture_or_is_cut_off() -> None:
    images = torch.full((200, 3, 32, 16), 0.9)
    edge = torch.tensor([0.99, 0.5]).expand(200, 14, 2)
    config = AugmentConfig(**(NOTHING | {"shift": 0.1}))
    _, moved = augment(images, config, torch.Generator().manual_seed(0), edge)
    gone = moved.isnan().any(2)
    assert 0.3 < float(gone.float().mean()) < 0.7
    assert gone.all(1).equal(gone.any(1))
    assert moved[~gone].max() <= 1

    low = torch.tensor([0.5, 24.5 / 32]).expand(200, 14, 2)
    config = AugmentConfig(**(NOTHING | {"truncate": 1.0}))
    pictures, moved = augment(images, config, torch.Generator().manual_seed(0), low)
    filled = (pictures[:, 0, 24, 8] - MEAN[0]).abs() < 1e-6
    assert moved.isnan().any(2).all(1).equal(filled)
    assert 0.2 < float(filled.float().mean()) < 0.8


def test_an_erased_joint_keeps_its_place(images: Tensor) -> None:
    joints = torch.rand(6, 14, 2)
    config = AugmentConfig(**(NOTHING | {"erase": 1.0}))
    _, moved = augment(images, config, torch.Generator().manual_seed(0), joints)
    torch.testing.assert_close(moved, joints, atol=1e-6, rtol=0)


def test_joints_are_not_changed_in_place(images: Tensor) -> None:
    joints = torch.rand(6, 14, 2)
    before = joints.clone()
    augment(images, AugmentConfig(flip=1, truncate=1), torch.Generator().manual_seed(0), joints)
    torch.testing.assert_close(joints, before, atol=0, rtol=0)


# Configuration


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((name, value) for name in ("flip", "grey", "blur", "erase", "truncate")
          for value in (-0.1, 1.1, float("nan"), "often")),
        ("shift", 0.6),
        ("scale", -0.1),
        ("scale", 1.0),
        ("colour", float("inf")),
        ("pad_crop", -1),
        ("pad_crop", 1.5),
        ("shear", 0.1),
    ],
)  # fmt: skip
def test_wrong_strengths_are_refused(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        AugmentConfig.model_validate({key: value})
    path = tiny_yaml(tmp_path / "tiny.yaml")
    with pytest.raises(ReidError, match=rf"tiny.yaml: train.augment.{key}: "):
        load_reid_config(path, {f"train.augment.{key}": value})


def test_strengths_come_from_the_yaml(tmp_path: Path) -> None:
    path = tiny_yaml(tmp_path / "tiny.yaml")
    assert load_reid_config(path).train.augment == AugmentConfig()
    changed = load_reid_config(path, {"train.augment.pad_crop": 10, "train.augment.flip": 0})
    assert changed.train.augment == AugmentConfig(pad_crop=10, flip=0)


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        AugmentConfig().flip = 0.1  # type: ignore[misc]
