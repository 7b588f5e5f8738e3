"""CAN: an LSTM that looks at the map several times, each time where its mask says; a baseline.

Source: Liu et al., "End-to-End Comparative Attention Networks for Person Re-identification",
arXiv:1606.04404. The Megvii slides name it as a negative result: "Mask in each iteration is
similar"; the extra `attention` lets one see that.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.heads.blocks import EmbeddingNeck
from reid.heads.recurrent import LSTMCell
from reid.network import Head, Maps, Outputs, Targets, unit
from reid.section import Section


class CANConfig(Section):
    """`glimpses` T, a cell of `hidden` floats, masks scored in `attention_dim` floats."""

    gives: ClassVar[frozenset[str]] = frozenset({"attention"})

    name: Literal["can"] = "can"
    dim: int = Field(default=512, ge=8, le=4096)
    glimpses: int = Field(default=6, ge=1, le=32)
    hidden: int = Field(default=256, ge=4, le=1024)
    attention_dim: int = Field(default=128, ge=4, le=1024)

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds a classifier for training."""
        return CANHead(self, backbone.out_channels, identities)


class CANHead(Head):
    """T glimpses: mask_t = softmax over the positions, x_t = sum_p mask_t(p) X(p), LSTM step.

    The first hidden state and cell are learned from the map's mean; the T hidden states are
    joined into the branch `fused`. The triplets of the paper are the metric term of the YAML.

    The paper's mask is a softmax of W h_(t-1) with one row of W per position, which ties the
    network to one picture size. Here a position's score is v tanh(A X(p) + B h_(t-1)) (Xu et al.,
    "Show, Attend and Tell", 2015), which also sees what is there.
    """

    def __init__(self, config: CANConfig, channels: int, identities: int) -> None:
        super().__init__()
        self.embedding_dim = config.dim
        self.glimpses = config.glimpses
        self.cell = LSTMCell(channels, config.hidden)
        self.start = nn.Linear(channels, 2 * config.hidden)
        self.see = nn.Linear(channels, config.attention_dim)
        self.ask = nn.Linear(config.hidden, config.attention_dim, bias=False)
        self.score = nn.Linear(config.attention_dim, 1, bias=False)
        self.embed = EmbeddingNeck(config.glimpses * config.hidden, config.dim, identities)

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with the branch `fused` and the extra `attention` (B, T, h, w)."""
        states, masks = self.look(maps.final)
        branch = self.embed(states.flatten(1))
        attention = masks.unflatten(2, maps.final.shape[2:])
        return Outputs(unit(branch.neck), {"fused": branch}, extras={"attention": attention})

    def look(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> hidden states (B, T, hidden) and masks (B, T, h w)."""
        positions = maps.flatten(2).transpose(1, 2)
        seen = self.see(positions)
        hidden, cell = self.start(positions.mean(1)).tanh().chunk(2, 1)
        states, masks = [], []
        for _ in range(self.glimpses):
            score = self.score((seen + self.ask(hidden)[:, None]).tanh())
            mask = score.softmax(1).to(positions.dtype)
            hidden, cell = self.cell((mask * positions).sum(1), hidden, cell)
            states.append(hidden)
            masks.append(mask[:, :, 0])
        return torch.stack(states, 1), torch.stack(masks, 1)
