"""Stripes fused by an LSTM from head to feet, a small baseline.

Source: Varior et al., "A Siamese Long Short-Term Memory Architecture for Human
Re-identification", ECCV 2016. The Megvii slides name it as a negative result: "No improvement".
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from reid.backbones.base import Backbone
from reid.heads.blocks import EmbeddingNeck
from reid.heads.box_pooling import stripe_mean
from reid.heads.recurrent import LSTMCell
from reid.network import Head, Maps, Outputs, Targets, unit
from reid.section import Section


class LSTMFusionConfig(Section):
    """`stripes` S are read in turn by a cell of `hidden` floats; `dim` of the embedding."""

    gives: ClassVar[frozenset[str]] = frozenset()

    name: Literal["lstm_fusion"] = "lstm_fusion"
    dim: int = Field(default=512, ge=8, le=4096)
    stripes: int = Field(default=8, ge=2, le=32)
    hidden: int = Field(default=128, ge=4, le=1024)

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds a classifier for training."""
        return LSTMFusionHead(self, backbone.out_channels, identities)


class LSTMFusionHead(Head):
    """Means of S horizontal stripes, top to bottom through one LSTM; its S hidden states joined.

    The paper feeds hand-made features of rows and trains with a contrastive loss; here the
    stripes are of the backbone's map and the branch `fused` is trained like any other.
    """

    def __init__(self, config: LSTMFusionConfig, channels: int, identities: int) -> None:
        super().__init__()
        self.embedding_dim = config.dim
        self.stripes = config.stripes
        self.cell = LSTMCell(channels, config.hidden)
        self.embed = EmbeddingNeck(config.stripes * config.hidden, config.dim, identities)

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with the branch `fused`."""
        branch = self.embed(self.states(maps.final).flatten(1))
        return Outputs(unit(branch.neck), {"fused": branch})

    def states(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, S, hidden)."""
        rows = stripe_mean(maps, self.stripes)
        hidden, cell = self.cell.start(rows)
        found = []
        for stripe in rows.unbind(2):
            hidden, cell = self.cell(stripe, hidden, cell)
            found.append(hidden)
        return torch.stack(found, 1)
