"""Bilinear sampling of boxes against a loop over every pixel, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reid.heads.region_sampling import sample_region


def reference(
    picture: NDArray[np.float64], box: tuple[float, float, float, float], size: tuple[int, int]
) -> NDArray[np.float64]:
    """Equations 4 and 5 for one picture (C, H, W), with samples at the centres of cells."""
    channels, height, width = picture.shape
    rows, columns = size
    x_min, y_min, x_max, y_max = box
    result = np.zeros((channels, rows, columns))
    for c in range(channels):
        for n in range(rows):
            for m in range(columns):
                x = (x_min + (x_max - x_min) * (m + 0.5) / columns) * width - 0.5
                y = (y_min + (y_max - y_min) * (n + 0.5) / rows) * height - 0.5
                for i in range(height):
                    for j in range(width):
                        kernel = max(0.0, 1 - abs(x - j)) * max(0.0, 1 - abs(y - i))
                        result[c, n, m] += picture[c, i, j] * kernel
    return result


BOXES = [
    (0.0, 0.0, 1.0, 1.0),
    (0.2, 0.1, 0.7, 0.4),
    (-0.3, -0.2, 0.6, 1.4),
    (0.9, 0.5, 0.2, 0.8),  # mirrored
    (0.4, 0.4, 0.4, 0.4),  # a point
    (1.5, 1.5, 2.0, 2.0),  # outside
]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("size", [(4, 3), (1, 1), (7, 9)])
def test_equals_the_loop(box: tuple[float, float, float, float], size: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 2, 6, 5))
    boxes = torch.tensor([box, BOXES[1]], dtype=torch.float64)
    found = sample_region(torch.from_numpy(maps), boxes, size)
    np.testing.assert_allclose(found[0], reference(maps[0], box, size), atol=1e-12)
    np.testing.assert_allclose(found[1], reference(maps[1], BOXES[1], size), atol=1e-12)


def test_the_whole_box_at_the_maps_size_is_the_map() -> None:
    maps = torch.randn(2, 3, 8, 5, dtype=torch.float64)
    found = sample_region(maps, torch.tensor([[0.0, 0, 1, 1]] * 2, dtype=torch.float64), (8, 5))
    torch.testing.assert_close(found, maps)


def test_half_the_size_takes_means_of_two_by_two_pixels() -> None:
    maps = torch.randn(1, 3, 8, 4, dtype=torch.float64)
    found = sample_region(maps, torch.tensor([[0.0, 0, 1, 1]], dtype=torch.float64), (4, 2))
    torch.testing.assert_close(found, torch.nn.functional.avg_pool2d(maps, 2))


@pytest.mark.parametrize(("width", "samples"), [(8, 8), (8, 4), (6, 9)])
def test_the_papers_points_lie_half_a_cell_less_half_a_pixel_further(
    width: int, samples: int
) -> None:
    """Equation 4 as printed, counted from 1, against our centres moved by that much."""
    centre, length = 0.5, 0.5
    ramp = torch.arange(1.0, width + 1, dtype=torch.float64).expand(1, 1, 1, width)
    pixels = length * width
    printed = [centre * width + (t - samples / 2) * pixels / samples for t in range(1, samples + 1)]
    shift = (pixels / samples - 1) / 2 / width
    box = torch.tensor([[0.25 + shift, 0.0, 0.75 + shift, 1.0]], dtype=torch.float64)
    inside = [i for i, x in enumerate(printed) if 1 <= x <= width]
    found = sample_region(ramp, box, (1, samples))[0, 0, 0]
    torch.testing.assert_close(found[inside], torch.tensor(printed, dtype=torch.float64)[inside])


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.5, 1.5), st.floats(0.01, 1.5), st.integers(1, 9), st.integers(0, 2**31))
def test_a_mirrored_map_and_box_give_the_mirrored_sample(
    left: float, width: float, columns: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(1, 2, 4, 7, dtype=torch.float64, generator=generator)
    box = torch.tensor([[left, 0.1, left + width, 0.8]], dtype=torch.float64)
    mirrored = torch.tensor([[1 - left - width, 0.1, 1 - left, 0.8]], dtype=torch.float64)
    found = sample_region(maps.flip(3), mirrored, (3, columns)).flip(3)
    torch.testing.assert_close(found, sample_region(maps, box, (3, columns)), atol=1e-9, rtol=0)


def test_gradients_with_respect_to_map_and_box() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor(
        [[0.13, 0.21, 0.77, 0.84], [-0.11, 0.07, 0.52, 1.13]],
        dtype=torch.float64,
        requires_grad=True,
    )
    assert torch.autograd.gradcheck(lambda m, b: sample_region(m, b, (3, 4)), (maps, boxes))
    assert torch.autograd.gradgradcheck(lambda m: sample_region(m, boxes.detach(), (3, 4)), maps)


def test_agrees_with_grid_sample() -> None:
    maps = torch.randn(3, 2, 6, 5)
    boxes = torch.rand(3, 4) * torch.tensor([0.4, 0.4, 0.9, 0.9])
    theta = torch.zeros(3, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    theta[:, 0, 2] = boxes[:, 0] + boxes[:, 2] - 1
    theta[:, 1, 2] = boxes[:, 1] + boxes[:, 3] - 1
    grid = torch.nn.functional.affine_grid(theta, [3, 2, 4, 7], align_corners=False)
    expected = torch.nn.functional.grid_sample(maps, grid, align_corners=False)
    torch.testing.assert_close(sample_region(maps, boxes, (4, 7)), expected, atol=1e-5, rtol=1e-4)


def test_half_precision_maps_and_boxes_stay_near() -> None:
    torch.manual_seed(0)
    maps, boxes = torch.randn(1, 2, 8, 8), torch.tensor([[0.125, 0.25, 0.75, 1.0]])
    exact = sample_region(maps, boxes, (5, 5))
    low = sample_region(maps.bfloat16(), boxes.bfloat16(), (5, 5))
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), exact, atol=0.03, rtol=0.03)


@pytest.mark.parametrize(
    ("maps", "boxes"), [((2, 3, 4), (2, 4)), ((2, 3, 4, 4), (1, 4)), ((2, 3, 4, 4), (2, 5))]
)
def test_refuses_shapes(maps: tuple[int, ...], boxes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sample_region"):
        sample_region(torch.zeros(maps), torch.zeros(boxes), (2, 2))
