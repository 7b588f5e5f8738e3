"""Grad-CAM against a hand-written float64 reference, and what it must leave alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from reid.heads.grad_cam import grad_cam, stretched


def tensor(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def cam_by_hand(maps: Tensor, weight: Tensor, labels: list[int]) -> list[list[list[float]]]:
    """For logit_k = sum_c weight_kc mean_hw relu(map_c)^2, with its derivative written out."""
    _, channels, height, width = maps.shape
    cells = height * width
    found = []
    for b, label in enumerate(labels):
        slopes = []
        for c in range(channels):
            total = 0.0
            for i in range(height):
                for j in range(width):
                    total += float(weight[label, c]) * 2 * max(float(maps[b, c, i, j]), 0) / cells
            slopes.append(total / cells)
        found.append(
            [
                [
                    max(sum(slopes[c] * float(maps[b, c, i, j]) for c in range(channels)), 0.0)
                    for j in range(width)
                ]
                for i in range(height)
            ]
        )
    return found


def logits_of(maps: Tensor, weight: Tensor) -> Tensor:
    return torch.relu(maps).pow(2).mean((2, 3)) @ weight.T


@pytest.mark.parametrize(
    ("shape", "labels"), [((3, 4, 3, 2), [0, 4, 2]), ((2, 1, 1, 5), [1, 1]), ((1, 6, 4, 4), [3])]
)
def test_by_hand(shape: tuple[int, ...], labels: list[int]) -> None:
    maps, weight = tensor(*shape).requires_grad_(), tensor(5, shape[1], seed=1)
    found = grad_cam(maps, logits_of(maps, weight), torch.tensor(labels))
    expected = torch.tensor(cam_by_hand(maps.detach(), weight, labels), dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert float(found.max()) > 0


def test_fewer_labels_than_pictures_describe_the_first() -> None:
    maps, weight = tensor(4, 3, 2, 2).requires_grad_(), tensor(5, 3, seed=1)
    some = grad_cam(maps, logits_of(maps, weight), torch.tensor([2, 0]))
    every = grad_cam(maps, logits_of(maps, weight), torch.tensor([2, 0, 1, 1]))
    torch.testing.assert_close(some, every[:2])


def test_the_main_loss_keeps_its_gradients() -> None:
    """The same loss.backward() with and without a Grad-CAM on the way."""
    gradients = []
    for explained in (False, True):
        torch.manual_seed(3)
        layer, out = nn.Conv2d(2, 3, 1).double(), nn.Linear(3, 4).double()
        maps = layer(tensor(2, 2, 3, 3))
        logits = out(maps.mean((2, 3)))
        if explained:
            picture = grad_cam(maps, logits, torch.tensor([1, 0]))
            assert not picture.requires_grad
            assert layer.weight.grad is None
            assert out.weight.grad is None
        (logits.pow(2).sum() + maps.pow(3).mean()).backward()
        gradients.append([p.grad for p in (*layer.parameters(), *out.parameters())])
    for plain, after in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, after, rtol=0, atol=0)


def test_under_autocast_it_is_float32_and_near() -> None:
    torch.manual_seed(0)
    layer, out = nn.Conv2d(2, 3, 1), nn.Linear(3, 4)
    images = torch.randn(2, 2, 3, 3)
    labels = torch.tensor([1, 3])
    maps = layer(images)
    exact = grad_cam(maps, out(maps.mean((2, 3))), labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = layer(images)
        assert maps.dtype == torch.bfloat16
        found = grad_cam(maps, out(maps.mean((2, 3))), labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0.02 * float(exact.max()))


def test_without_a_graph_it_is_refused() -> None:
    layer = nn.Conv2d(2, 3, 1)
    with torch.no_grad():
        maps = layer(torch.randn(2, 2, 3, 3))
        with pytest.raises(ValueError, match="no_grad"):
            grad_cam(maps, maps.mean((2, 3)), torch.tensor([0, 1]))


def test_stretched() -> None:
    pictures = torch.tensor([[[2.0, 4.0], [3.0, 6.0]], [[5.0, 5.0], [5.0, 5.0]]])
    expected = torch.tensor([[[0.0, 0.5], [0.25, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    torch.testing.assert_close(stretched(pictures), expected)
