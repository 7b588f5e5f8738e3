"""Training images on a device: values, scaling, memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import reid.data.device as device_module
from reid.data.device import DeviceImages, free_bytes
from reid.errors import ReidError

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no usable GPU")
    ),
]


def pictures(count: int = 5, height: int = 12, width: int = 8) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_is_the_pictures_in_0_to_1(device: str) -> None:
    data = pictures()
    images = DeviceImages(data, device)
    assert len(images) == 5
    assert images.size_hw == (12, 8)
    rows = np.array([3, 0, 3])
    found = images.batch(rows)
    assert found.device.type == device
    assert found.dtype == torch.float32
    expected = data[rows].transpose(0, 3, 1, 2).astype(np.float64) / 255
    np.testing.assert_allclose(found.cpu().numpy(), expected, atol=1e-7)


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_is_a_copy(device: str) -> None:
    images = DeviceImages(pictures(), device)
    before = images.batch(np.array([1]))
    images.batch(np.array([1])).zero_()
    assert images.batch(np.array([1])).equal(before)


def weights(size: int, new: int) -> NDArray[np.float64]:
    """(new, size): the triangle filter of antialiased bilinear scaling, by hand."""
    ratio = size / new
    reach = max(ratio, 1.0)
    table = np.zeros((new, size))
    for i in range(new):
        middle = (i + 0.5) * ratio
        for j in range(size):
            table[i, j] = max(0.0, 1 - abs(j + 0.5 - middle) / reach)
        table[i] /= table[i].sum()
    return table


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [(6, 4), (5, 3), (8, 8), (24, 16), (3, 13)])
def test_scaling_is_the_triangle_filter(device: str, size: tuple[int, int]) -> None:
    data = pictures()
    images = DeviceImages(data, device)
    images.resize(size)
    assert images.size_hw == size
    found = images.batch(np.arange(5)).cpu().numpy() * 255
    down, across = weights(12, size[0]), weights(8, size[1])
    for number in range(5):
        for channel in range(3):
            exact = down @ data[number, :, :, channel].astype(np.float64) @ across.T
            assert np.abs(found[number, channel] - exact).max() < 0.51, "rounded to whole numbers"


def test_each_size_is_made_from_the_pictures_as_decoded() -> None:
    data = pictures()
    images, fresh = DeviceImages(data, "cpu"), DeviceImages(data, "cpu")
    images.resize((3, 2))
    images.resize((6, 4))
    fresh.resize((6, 4))
    rows = np.arange(5)
    assert images.batch(rows).equal(fresh.batch(rows))
    images.resize((12, 8))
    assert images.batch(rows).equal(DeviceImages(data, "cpu").batch(rows))


def test_more_than_are_scaled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pictures(7)
    whole = DeviceImages(data, "cpu")
    whole.resize((6, 4))
    monkeypatch.setattr(device_module, "_AT_ONCE", 3)
    pieces = DeviceImages(data, "cpu")
    pieces.resize((6, 4))
    assert pieces.batch(np.arange(7)).equal(whole.batch(np.arange(7)))


def test_pictures_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    images = DeviceImages(pictures(), "cpu")
    need = 5 * 3 * 6 * 4
    monkeypatch.setattr(device_module, "free_bytes", lambda device: need)
    with pytest.raises(ReidError, match=r"5 training images of 6 x 4 need 0.00 GB, but cpu has"):
        images.resize((6, 4))
    assert images.size_hw == (12, 8), "as before"
    monkeypatch.setattr(device_module, "free_bytes", lambda device: 2 * need)
    images.resize((6, 4))
    assert images.size_hw == (6, 4)


def test_what_the_system_does_not_give_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    images = DeviceImages(pictures(), "cpu")
    monkeypatch.setattr(device_module, "free_bytes", lambda device: None)

    def refuse(*args: object, **kwargs: object) -> None:
        raise RuntimeError("can't allocate memory")

    monkeypatch.setattr(torch, "empty", refuse)
    with pytest.raises(ReidError, match="which cpu does not have: use smaller pictures"):
        images.resize((6, 4))


@pytest.mark.parametrize("device", DEVICES)
def test_free_memory_is_known(device: str) -> None:
    free = free_bytes(torch.device(device))
    assert free is None or 1e6 < free < 1e14
