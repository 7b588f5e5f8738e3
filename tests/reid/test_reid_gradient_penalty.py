"""MSGR's penalty against finite differences of a small network, and its double backward."""

from __future__ import annotations

from math import inf

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid.losses.gradient_penalty import gradient_penalty

NORMS = [1, 2, inf]


class Net(nn.Module):
    """Two smooth stages and a classifier in float64; no sample sees another."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(2, 3, 3, padding=1)
        self.second = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.last = nn.Linear(4, 3)
        self.double()

    def stages(self, images: Tensor) -> tuple[Tensor, Tensor]:
        one = torch.tanh(self.first(images))
        return one, torch.tanh(self.second(one))

    def tail(self, second: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.last(second.mean((2, 3))), labels)


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(3, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor([0, 2, 1])


def penalty(net: Net, images: Tensor, norm: float, epsilon: float = 0.1) -> Tensor:
    one, two = net.stages(images)
    return gradient_penalty(net.tail(two, LABELS), [one, two], epsilon, norm)


def length(values: list[float], norm: float) -> float:
    if norm == inf:
        return max(abs(value) for value in values)
    return float(sum(abs(value) ** norm for value in values)) ** (1 / norm)


def penalty_by_hand(net: Net, images: Tensor, norm: float, epsilon: float) -> float:
    """Central differences of each sample's own loss in each cell of its two maps."""
    one, two = (stage.detach() for stage in net.stages(images))
    tails = (
        lambda x, label: net.tail(torch.tanh(net.second(x)), label),
        lambda x, label: net.tail(x, label),
    )
    total = 0.0
    with torch.no_grad():
        for maps, tail in zip((one, two), tails, strict=True):
            for b in range(3):
                slopes = []
                for cell in range(maps[b].numel()):
                    step = torch.zeros(maps[b].numel(), dtype=torch.float64)
                    step[cell] = 1e-5
                    moved = step.view_as(maps[b])
                    above = tail(maps[b : b + 1] + moved, LABELS[b : b + 1])
                    below = tail(maps[b : b + 1] - moved, LABELS[b : b + 1])
                    slopes.append(float(above - below) / 2e-5)
                total += length(slopes, norm) / 3
    return epsilon * total


@pytest.mark.parametrize("norm", NORMS)
def test_the_penalty_by_finite_differences(net: Net, images: Tensor, norm: float) -> None:
    found = penalty(net, images, norm)
    assert found.item() == pytest.approx(penalty_by_hand(net, images, norm, 0.1), rel=1e-7)


@pytest.mark.parametrize("norm", NORMS)
def test_the_penalty_is_differentiated_again(net: Net, images: Tensor, norm: float) -> None:
    """Every parameter's gradient of the penalty by central differences of the penalty."""
    gradients = torch.autograd.grad(penalty(net, images, norm), list(net.parameters()))
    compared = 0
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        flat = parameter.data.view(-1)
        for place in range(0, len(flat), max(1, len(flat) // 5)):
            kept = flat[place].item()
            flat[place] = kept + 1e-5
            above = penalty(net, images, norm).item()
            flat[place] = kept - 1e-5
            below = penalty(net, images, norm).item()
            flat[place] = kept
            slope = (above - below) / 2e-5
            assert gradient.flatten()[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-8)
            compared += slope != 0
    assert compared > 15


@pytest.mark.parametrize("norm", [1, 2])
def test_gradcheck_and_gradgradcheck(norm: float) -> None:
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(2, 3, dtype=torch.float64, generator=generator)
    weights = torch.randn(3, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    head = torch.randn(2, dtype=torch.float64, generator=generator, requires_grad=True)

    def of(weights: Tensor, head: Tensor) -> Tensor:
        maps = torch.tanh(images @ weights)
        return gradient_penalty(torch.sin(maps @ head).mean(), [maps], 1.0, norm)

    assert torch.autograd.gradcheck(of, (weights, head))
    assert torch.autograd.gradgradcheck(of, (weights, head))


def test_the_batch_size_does_not_matter(net: Net, images: Tensor) -> None:
    one, two = net.stages(torch.cat([images, images]))
    loss = net.tail(two, torch.cat([LABELS, LABELS]))
    doubled = gradient_penalty(loss, [one, two], 0.1)
    torch.testing.assert_close(doubled, penalty(net, images, 2))


def test_epsilon_scales_and_maps_add_up(net: Net, images: Tensor) -> None:
    one, two = net.stages(images)
    loss = net.tail(two, LABELS)
    apart = gradient_penalty(loss, [one], 0.1) + gradient_penalty(loss, [two], 0.1)
    torch.testing.assert_close(gradient_penalty(loss, [one, two], 0.1), apart)
    torch.testing.assert_close(gradient_penalty(loss, [one, two], 0.3), 3 * apart)


def test_images_can_be_penalised(net: Net, images: Tensor) -> None:
    images.requires_grad_()
    loss = net.tail(net.stages(images)[1], LABELS)
    (gradient,) = torch.autograd.grad(loss, images, retain_graph=True)
    expected = sum(length((3 * one).flatten().tolist(), 2) for one in gradient) / 3
    assert gradient_penalty(loss, [images], 1.0).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_samples_without_a_gradient_stay_finite(norm: float) -> None:
    weights = torch.tensor([1.0, -1.0], requires_grad=True)
    maps = torch.tensor([[1.0, 2.0], [3.0, 1.0]]) * weights
    loss = torch.relu(maps.sum(1)).pow(2).mean()  # the first sample's sum is below zero
    gradient_penalty(loss, [maps], 1.0, norm).backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()
    assert weights.grad.abs().sum() > 0


def test_bfloat16_maps_are_measured_in_float32() -> None:
    maps = torch.randn(2, 4, dtype=torch.bfloat16, requires_grad=True)
    found = gradient_penalty(maps.float().pow(2).mean(), [maps], 1.0)
    assert found.dtype == torch.float32


@pytest.mark.parametrize(
    ("maps", "norm", "message"),
    [
        ([], 2, "at least one map"),
        ([torch.ones(1, requires_grad=True)], 3, "norm 3 is not 1, 2 or inf"),
        ([torch.ones(1)], 2, r"does not depend on maps\[0\]"),
        ([torch.ones(1, requires_grad=True)], 2, r"does not depend on maps\[0\]"),
    ],
)
def test_what_cannot_be_penalised_is_refused(maps: list[Tensor], norm: float, message: str) -> None:
    loss = torch.ones(2, requires_grad=True).pow(2).mean()
    with pytest.raises(ValueError, match=message):
        gradient_penalty(loss, maps, norm=norm)
