"""IDE baseline with BNNeck: global pooling, one vector.

Sources: Zheng et al., "Person Re-identification: Past, Present and Future", 2016 (IDE); Luo et
al., "Bag of Tricks and a Strong Baseline for Deep Person Re-identification", CVPRW 2019.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from reid.backbones.base import Backbone
from reid.heads.blocks import EmbeddingNeck, Reduction
from reid.network import Head, Maps, Outputs, Targets, unit
from reid.section import Section


class BNNeckConfig(Section):
    """`dim` is the embedding's length; `reduction` how the pooled vector is shortened to it.

    `pooling` takes the mean or the largest value of each channel. Without `neck` the same vector
    serves metric and ID losses (plain IDE).
    """

    gives: ClassVar[frozenset[str]] = frozenset()

    name: Literal["bnneck"] = "bnneck"
    dim: int = Field(default=512, ge=8, le=4096)
    reduction: Reduction = "linear-bn-relu"
    pooling: Literal["mean", "max"] = "mean"
    neck: bool = True

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds a classifier for training."""
        return BNNeckHead(self, backbone.out_channels, identities)


class BNNeckHead(Head):
    """v = pool(map); embedding = BN(reduce(v)) of length 1."""

    def __init__(self, config: BNNeckConfig, channels: int, identities: int) -> None:
        super().__init__()
        self.embedding_dim = config.dim
        self.pool = nn.AdaptiveAvgPool2d(1) if config.pooling == "mean" else nn.AdaptiveMaxPool2d(1)
        self.embed_global = EmbeddingNeck(
            channels, config.dim, identities, reduction=config.reduction, neck=config.neck
        )

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with one branch, `global`."""
        branch = self.embed_global(self.pool(maps.final).flatten(1))
        return Outputs(unit(branch.neck), {"global": branch})
