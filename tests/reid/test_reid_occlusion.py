"""Occluded test images: how often, where, and the same whatever the batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reid.data.occlusion import occlude


@pytest.fixture
def images() -> Tensor:
    return torch.rand(60, 3, 64, 32, generator=torch.Generator().manual_seed(0)) + 1


def boxes(before: Tensor, after: Tensor) -> list[tuple[int, int, int, int] | None]:
    """Top, left, bottom, right of what changed in each picture, which must be a whole box."""
    found: list[tuple[int, int, int, int] | None] = []
    for one, other in zip(before, after, strict=True):
        changed = (one != other).all(0)
        assert changed.equal((one != other).any(0))
        rows, columns = changed.any(1).nonzero().flatten(), changed.any(0).nonzero().flatten()
        if not len(rows):
            found.append(None)
            continue
        box = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
        assert changed[box[0] : box[2], box[1] : box[3]].all()
        assert int(changed.sum()) == (box[2] - box[0]) * (box[3] - box[1])
        found.append(box)
    return found


def test_a_rectangle_of_the_published_size(images: Tensor) -> None:
    for box in boxes(images, occlude(images, 1.0, 0)):
        assert box is not None
        height, width = box[2] - box[0], box[3] - box[1]
        assert 0.018 < height * width / (64 * 32) < 0.42
        assert 0.2 < height / width < 4.2


def test_noise_fills_it(images: Tensor) -> None:
    found = occlude(images, 1.0, 0)
    noise = found[found < 1]
    assert float(noise.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(noise.min()) >= 0


def test_the_probability_is_met(images: Tensor) -> None:
    hit = [
        box is not None
        for box in boxes(images.repeat(5, 1, 1, 1), occlude(images.repeat(5, 1, 1, 1), 0.5, 1))
    ]
    assert 0.4 < sum(hit) / len(hit) < 0.6
    assert occlude(images, 0.0, 1).equal(images)


def test_an_image_does_not_depend_on_its_batch(images: Tensor) -> None:
    whole = occlude(images, 0.5, 3)
    pieces = [occlude(images[s : s + 7], 0.5, 3, first=s) for s in range(0, 60, 7)]
    assert torch.cat(pieces).equal(whole)
    assert occlude(images, 0.5, 3).equal(whole)
    assert not occlude(images, 0.5, 4).equal(whole)


def test_the_input_is_kept(images: Tensor) -> None:
    before = images.clone()
    occlude(images, 1.0, 0)
    assert images.equal(before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.uint8])
def test_other_dtypes(dtype: torch.dtype) -> None:
    images = torch.full((20, 3, 64, 32), 7, dtype=dtype)
    found = occlude(images, 1.0, 0)
    assert found.dtype == dtype
    assert (found != images).flatten(1).any(1).all()
    if dtype == torch.uint8:
        noise = found[found != 7].float()
        assert float(noise.mean()) == pytest.approx(127.5, abs=4)
        assert int(noise.max()) == 255
        assert int(noise.min()) == 0


@pytest.mark.parametrize("probability", [-0.1, 1.5, float("nan")])
def test_a_wrong_probability(images: Tensor, probability: float) -> None:
    with pytest.raises(ValueError, match=r"not in 0\.\.1"):
        occlude(images, probability, 0)


def test_pictures_of_a_few_pixels() -> None:
    with pytest.raises(ValueError, match="1 x 1 pixels are too few"):
        occlude(torch.zeros(1, 3, 1, 1), 1.0, 0)
