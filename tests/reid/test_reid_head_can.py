"""The head of CAN against plain loops in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from reid_head_checks import head_of, pictures, tiny_network

from reid.heads.can import CANConfig, CANHead

CONFIG = CANConfig(dim=8, glimpses=3, hidden=5, attention_dim=4)


def linear(weight: list[list[float]], x: list[float], bias: list[float] | None = None) -> Any:
    found = [sum(w * v for w, v in zip(row, x, strict=True)) for row in weight]
    return found if bias is None else [f + b for f, b in zip(found, bias, strict=True)]


def look_by_hand(
    head: CANHead, positions: list[list[float]]
) -> tuple[list[list[float]], list[list[float]]]:
    """Hidden states and masks of one picture: positions (h w, C)."""
    count, channels, size = len(positions), len(positions[0]), head.cell.hidden
    mean = [sum(p[c] for p in positions) / count for c in range(channels)]
    start = linear(head.start.weight.tolist(), mean, head.start.bias.tolist())
    hidden, memory = ([math.tanh(v) for v in start[n : n + size]] for n in (0, size))
    states, masks = [], []
    for _ in range(head.glimpses):
        asked = linear(head.ask.weight.tolist(), hidden)
        powers = []
        for p in positions:
            seen = linear(head.see.weight.tolist(), p, head.see.bias.tolist())
            both = [math.tanh(s + a) for s, a in zip(seen, asked, strict=True)]
            powers.append(math.exp(linear(head.score.weight.tolist(), both)[0]))
        mask = [p / sum(powers) for p in powers]
        glimpse = [
            sum(m * p[c] for m, p in zip(mask, positions, strict=True)) for c in range(channels)
        ]
        gates = linear(
            head.cell.from_input.weight.tolist(), glimpse, head.cell.from_input.bias.tolist()
        )
        back = linear(head.cell.from_hidden.weight.tolist(), hidden)
        gates = [g + b for g, b in zip(gates, back, strict=True)]
        i, f, g, o = (gates[k * size : (k + 1) * size] for k in range(4))
        soft = lambda v: 1 / (1 + math.exp(-v))
        memory = [soft(f[n]) * memory[n] + soft(i[n]) * math.tanh(g[n]) for n in range(size)]
        hidden = [soft(o[n]) * math.tanh(memory[n]) for n in range(size)]
        states.append(hidden)
        masks.append(mask)
    return states, masks


def test_glimpses_by_hand() -> None:
    head = tiny_network(CONFIG).head.double()
    maps = torch.randn(2, 16, 3, 2, dtype=torch.float64)
    states, masks = head.look(maps)
    for b in range(2):
        positions = [maps[b, :, y, x].tolist() for y in range(3) for x in range(2)]
        expected = look_by_hand(head, positions)
        for t in range(3):
            assert states[b, t].tolist() == pytest.approx(expected[0][t])
            assert masks[b, t].tolist() == pytest.approx(expected[1][t])


def test_a_strong_score_looks_at_one_position() -> None:
    """The mask follows what is seen: the score of a position grows with its first channel."""
    head = tiny_network(CONFIG).head
    with torch.no_grad():
        for weight in (head.see.weight, head.see.bias, head.ask.weight, head.score.weight):
            weight.zero_()
        head.see.weight[0, 0] = 1
        head.score.weight[0, 0] = 50
        maps = torch.zeros(1, 16, 4, 2)
        maps[0, 0, 2, 1] = 1
        found = head.look(maps)[1].unflatten(2, (4, 2))
    assert (found[0, :, 2, 1] > 0.999).all()


def test_the_branch_joins_the_states() -> None:
    network = tiny_network(CONFIG, identities=2)
    with torch.no_grad():
        found = network.outputs(pictures(2))
        states, masks = network.head.look(network.backbone(pictures(2)))
        expected = network.head.embed(states.reshape(2, 15))
    torch.testing.assert_close(found.branches["fused"].neck, expected.neck)
    torch.testing.assert_close(found.embedding, F.normalize(expected.neck))
    assert found.extras["attention"].shape == (2, 3, 4, 2)
    torch.testing.assert_close(found.extras["attention"].flatten(2), masks)
    torch.testing.assert_close(masks.sum(2), torch.ones(2, 3))


@pytest.mark.parametrize("settings", [{"glimpses": 0}, {"attention_dim": 1}, {"mask": "hard"}])
def test_configurations_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CANConfig(**settings)


def test_the_system() -> None:
    assert head_of("can") == CANConfig()
