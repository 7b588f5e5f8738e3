"""AlignedReID: a global vector and H horizontal part vectors (Zhang et al., arXiv:1711.08184)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from reid.backbones.base import Backbone
from reid.heads.blocks import stripe_max
from reid.network import Branch, Head, Maps, Outputs, Targets, unit
from reid.section import Section


class AlignedConfig(Section):
    """`global_dim` is D, `part_count` P, `part_dim` d."""

    gives: ClassVar[frozenset[str]] = frozenset({"parts"})

    name: Literal["aligned"] = "aligned"
    global_dim: int = Field(default=512, ge=8, le=4096)
    part_count: int = Field(default=8, ge=1, le=16)
    part_dim: int = Field(default=64, ge=4, le=512)

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds a classifier for training."""
        return AlignedHead(self, backbone.out_channels, identities)


class AlignedHead(Head):
    """Global branch with BNNeck (Luo et al., 2019) and a part branch.

    The part branch is horizontal max pooling of each of P stripes and a 1x1 convolution.
    """

    def __init__(self, config: AlignedConfig, channels: int, identities: int) -> None:
        super().__init__()
        dim = config.global_dim
        self.embedding_dim = dim
        self.part_count = config.part_count
        self.part_shape = (config.part_count, config.part_dim)
        self.embed = nn.Sequential(
            nn.Linear(channels, dim), nn.BatchNorm1d(dim), nn.ReLU(inplace=True)
        )
        self.neck = nn.BatchNorm1d(dim)
        self.neck.bias.requires_grad_(False)
        self.part_embed = nn.Sequential(
            nn.Conv1d(channels, config.part_dim, 1, bias=False), nn.BatchNorm1d(config.part_dim)
        )
        self.classifier = nn.Linear(dim, identities, bias=False) if identities else None

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with the branch `global` and the parts."""
        metric = self.embed(maps.final.mean((2, 3)))
        neck = self.neck(metric)
        logits = None if self.classifier is None else self.classifier(neck)
        stripes = self.part_embed(stripe_max(maps.final, self.part_count))
        parts = unit(stripes.transpose(1, 2))
        return Outputs(unit(neck), {"global": Branch(metric, neck, logits)}, parts)
