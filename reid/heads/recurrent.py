"""A long short-term memory cell of plain products, which every exporter and dtype can do.

Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 1997, with the
forget gate of Gers et al., 2000.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LSTMCell(nn.Module):
    """One step: i, f, o = sigmoid, g = tanh of W x + U h + b; c' = f c + i g; h' = o tanh(c').

    Hochreiter & Schmidhuber 1997 with forget gates (Gers et al., 2000), whose bias starts at 1 so
    that the first steps of training remember.

    Args:
        inputs: length of x. hidden: length of h and c.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Linear(inputs, 4 * hidden)
        self.from_hidden = nn.Linear(hidden, 4 * hidden, bias=False)
        nn.init.zeros_(self.from_input.bias)
        nn.init.ones_(self.from_input.bias[hidden : 2 * hidden])
        nn.init.orthogonal_(self.from_hidden.weight)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs), (B, hidden), (B, hidden) -> the next hidden state and cell."""
        gates = self.from_input(x) + self.from_hidden(hidden)
        let_in, forget, new, let_out = gates.chunk(4, 1)
        cell = forget.sigmoid() * cell + let_in.sigmoid() * new.tanh()
        return let_out.sigmoid() * cell.tanh(), cell

    def start(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Zeros for the batch of (B, ...) `x`."""
        zeros = torch.zeros(x.shape[0], self.hidden, dtype=x.dtype, device=x.device)
        return zeros, zeros
