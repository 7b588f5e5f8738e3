"""The LSTM cell against torch's own and plain loops, and the head that fuses stripes with it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from reid_head_checks import head_of, pictures, tiny_network
from torch import Tensor

from reid.heads.lstm_fusion import LSTMFusionConfig
from reid.heads.recurrent import LSTMCell

CONFIG = LSTMFusionConfig(dim=8, stripes=4, hidden=5)


def step_by_hand(
    cell: LSTMCell, x: list[float], hidden: list[float], memory: list[float]
) -> tuple[list[float], list[float]]:
    """One step with plain floats; gates in the order i, f, g, o."""
    weight, bias = cell.from_input.weight.tolist(), cell.from_input.bias.tolist()
    recurrent = cell.from_hidden.weight.tolist()
    size = len(hidden)
    gates = [
        bias[r]
        + sum(w * v for w, v in zip(weight[r], x, strict=True))
        + sum(w * v for w, v in zip(recurrent[r], hidden, strict=True))
        for r in range(4 * size)
    ]
    new_hidden, new_memory = [], []
    for n in range(size):
        i, f, o = (1 / (1 + math.exp(-gates[n + k * size])) for k in (0, 1, 3))
        c = f * memory[n] + i * math.tanh(gates[n + 2 * size])
        new_memory.append(c)
        new_hidden.append(o * math.tanh(c))
    return new_hidden, new_memory


def test_the_cell_by_hand() -> None:
    torch.manual_seed(0)
    cell = LSTMCell(4, 3).double()
    x, hidden, memory = (torch.randn(2, n, dtype=torch.float64) for n in (4, 3, 3))
    found = cell(x, hidden, memory)
    for b in range(2):
        expected = step_by_hand(cell, x[b].tolist(), hidden[b].tolist(), memory[b].tolist())
        assert found[0][b].tolist() == pytest.approx(expected[0])
        assert found[1][b].tolist() == pytest.approx(expected[1])


def test_the_cell_is_torchs() -> None:
    cell, other = LSTMCell(4, 3), torch.nn.LSTMCell(4, 3)
    with torch.no_grad():
        other.weight_ih.copy_(cell.from_input.weight)
        other.bias_ih.copy_(cell.from_input.bias)
        other.weight_hh.copy_(cell.from_hidden.weight)
        other.bias_hh.zero_()
    x, hidden, memory = torch.randn(2, 4), torch.randn(2, 3), torch.randn(2, 3)
    for ours, theirs in zip(cell(x, hidden, memory), other(x, (hidden, memory)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_new_cell_remembers() -> None:
    assert LSTMCell(2, 3).from_input.bias.tolist() == [0] * 3 + [1] * 3 + [0] * 6


def stripe_by_hand(maps: Tensor, stripe: int, stripes: int) -> list[float]:
    """(C, h, w): mean of the rows in stripe / S to (stripe + 1) / S, by their share of it."""
    height, width = maps.shape[1:]
    low, high = stripe * height / stripes, (stripe + 1) * height / stripes
    shares = [max(0.0, min(high, y + 1) - max(low, y)) for y in range(height)]
    return [
        sum(share * sum(row) for share, row in zip(shares, channel, strict=True))
        / ((high - low) * width)
        for channel in maps.tolist()
    ]


@pytest.mark.parametrize("height", [3, 4, 6, 8])
def test_states_by_hand(height: int) -> None:
    head = tiny_network(CONFIG).head.double()
    maps = torch.randn(2, 16, height, 3, dtype=torch.float64)
    found = head.states(maps)
    assert found.shape == (2, 4, 5)
    for b in range(2):
        hidden, memory = [0.0] * 5, [0.0] * 5
        for s in range(4):
            hidden, memory = step_by_hand(head.cell, stripe_by_hand(maps[b], s, 4), hidden, memory)
            assert found[b, s].tolist() == pytest.approx(hidden)


def test_the_feet_do_not_change_what_was_read_before() -> None:
    head = tiny_network(CONFIG).head
    maps = torch.randn(1, 16, 8, 3)
    changed = maps.clone()
    changed[:, :, 6:] += 1
    before, after = head.states(maps), head.states(changed)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3])


def test_the_branch_joins_the_states() -> None:
    network = tiny_network(CONFIG, identities=2)
    with torch.no_grad():
        found = network.outputs(pictures(2))
        states = network.head.states(network.backbone(pictures(2)))
        expected = network.head.embed(states.reshape(2, 20))
    torch.testing.assert_close(found.branches["fused"].neck, expected.neck)
    torch.testing.assert_close(found.embedding, F.normalize(expected.neck))


@pytest.mark.parametrize("settings", [{"stripes": 1}, {"hidden": 2}, {"layers": 2}])
def test_configurations_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LSTMFusionConfig(**settings)


def test_the_system() -> None:
    assert head_of("lstm_fusion") == LSTMFusionConfig()
