"""The residual block of the heads, by hand."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from reid_settled import settled

from reid.heads.residual import ResidualBottleneck


def test_is_the_input_and_three_convolutions() -> None:
    torch.manual_seed(0)
    block = settled(ResidualBottleneck(8)).double()
    state = block.state_dict()
    maps = torch.randn(2, 8, 5, 4, dtype=torch.float64)
    found = maps
    for layer, padding in ((1, 0), (2, 1), (3, 0)):
        found = F.conv2d(found, state[f"conv{layer}.weight"], padding=padding)
        mean, var = (state[f"bn{layer}.running_{k}"][:, None, None] for k in ("mean", "var"))
        scale, shift = (state[f"bn{layer}.{k}"][:, None, None] for k in ("weight", "bias"))
        found = (found - mean) / (var + 1e-5).sqrt() * scale + shift
        if layer < 3:
            found = found.clamp(min=0)
    torch.testing.assert_close(block(maps), (maps + found).clamp(min=0))
    assert state["conv1.weight"].shape == (2, 8, 1, 1)


def test_gradients() -> None:
    torch.manual_seed(0)
    block = settled(ResidualBottleneck(4)).double()
    maps = torch.randn(1, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: block(x), (maps, *block.parameters()))
