"""PL-Net: parts found without labels, and an identity loss for each of them.

Source: Yao et al., "Deep Representation Learning with Part Loss for Person Re-identification",
arXiv:1707.00798; the Megvii slides' "Local Feature Alignment in PL-Net".
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from reid.backbones.base import Backbone
from reid.errors import ReidError
from reid.heads.blocks import EmbeddingNeck
from reid.heads.box_pooling import box_mean
from reid.heads.channel_clusters import ChannelClusters
from reid.network import Head, Maps, Outputs, Targets, unit
from reid.section import Section


class PLNetConfig(Section):
    """`dim` floats of the global vector, `part_dim` of each of K = `part_count` parts.

    `momentum`: see ChannelClusters. `spread`, `least_side`: the boxes, see its `forward`; a box of
    1.73 standard deviations to each side holds evenly spread peaks exactly.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"parts", "part_logits", "part_boxes"})

    name: Literal["pl_net"] = "pl_net"
    dim: int = Field(default=512, ge=8, le=4096)
    part_count: int = Field(default=3, ge=1, le=16)
    part_dim: int = Field(default=256, ge=4, le=1024)
    momentum: float = Field(default=0.01, gt=0, le=1)
    spread: float = Field(default=1.73, gt=0, le=4)
    least_side: float = Field(default=0.2, gt=0, le=1)

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds classifiers for training.

        Raises:
            ReidError: the backbone's map has fewer channels than there are parts.
        """
        if backbone.out_channels < self.part_count:
            raise ReidError(
                f"head.part_count: {self.part_count} parts cannot be made of "
                f"{backbone.out_channels} channels"
            )
        return PLNetHead(self, backbone.out_channels, identities)


class PLNetHead(Head):
    """Global vector and K part vectors, each with a classifier; the embedding joins all of them.

    - `ChannelClusters` gives a box per part, `box_mean` its vector.
    - Branch `global`: mean of the map. Extras: `part_logits` (B, K, identities) for the part loss
      (only with classifiers), `part_boxes` (B, K, 4).
    - Embedding: unit(global, part 1, ..., part K), each of length 1 before it is joined, so
      that each counts the same.

    Chosen where the paper leaves it open or does otherwise: a reduction and BNNeck per part;
    clusters of the whole training set instead of one picture's; boxes from mean and deviation of
    the peaks, which one stray channel does not blow up.
    """

    def __init__(self, config: PLNetConfig, channels: int, identities: int) -> None:
        super().__init__()
        self.config = config
        self.embedding_dim = config.dim + config.part_count * config.part_dim
        self.part_shape = (config.part_count, config.part_dim)
        self.clusters = ChannelClusters(channels, config.part_count, config.momentum)
        self.embed_global = EmbeddingNeck(channels, config.dim, identities)
        self.embed_parts = nn.ModuleList(
            EmbeddingNeck(channels, config.part_dim, identities) for _ in range(config.part_count)
        )

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with the branch `global`, parts and boxes."""
        boxes = self.clusters(maps.final, self.config.spread, self.config.least_side)
        pooled = box_mean(maps.final, boxes)
        whole = self.embed_global(maps.final.mean((2, 3)))
        branches = [embed(pooled[:, k]) for k, embed in enumerate(self.embed_parts)]
        extras = {"part_boxes": boxes}
        if whole.logits is not None:
            extras["part_logits"] = torch.stack([part.logits for part in branches], 1)
        parts = torch.stack([unit(part.neck) for part in branches], 1)
        embedding = unit(torch.cat([unit(whole.neck), parts.flatten(1)], 1))
        return Outputs(embedding, {"global": whole}, parts, extras=extras)
