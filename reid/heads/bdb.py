"""BDB: a global branch and one that learns with a part of every picture dropped.

Source: Dai et al., "Batch DropBlock Network for Person Re-identification and Beyond", ICCV 2019,
section 3.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.heads.blocks import EmbeddingNeck
from reid.heads.rectangles import outside_rectangle
from reid.heads.residual import ResidualBottleneck
from reid.network import Head, Maps, Outputs, Targets, unit
from reid.section import Section

Ratio = Annotated[float, Field(gt=0, le=1)]


class BatchDropBlock(nn.Module):
    """In training, sets one random rectangle to 0, the same one in all maps of the batch.

    The rectangle comes from torch's generator of the map's device: the trainer seeds torch at
    each step, so a run that is resumed drops the same ones.

    Args:
        height_ratio, width_ratio: its sides as shares of the map's; larger hides more.
    """

    def __init__(self, height_ratio: float, width_ratio: float) -> None:
        super().__init__()
        self.ratio_hw = (height_ratio, width_ratio)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape.

        Raises:
            ReidError: the rectangle would cover the whole map.
        """
        if not self.training:
            return maps
        size = (maps.shape[2], maps.shape[3])
        kept = outside_rectangle(1, size, self.ratio_hw, device=maps.device)
        return maps * kept[:, None].to(maps.dtype)


class BDBConfig(Section):
    """Lengths of the two vectors and the ratios of the dropped block.

    `neck` puts a batch normalisation between metric and ID loss; the paper has none. The paper's
    ID classifier has a bias, this one none.
    """

    gives: ClassVar[frozenset[str]] = frozenset()

    name: Literal["bdb"] = "bdb"
    global_dim: int = Field(default=512, ge=8, le=4096)
    part_dim: int = Field(default=1024, ge=8, le=4096)
    height_ratio: Ratio = 0.3
    width_ratio: Ratio = 1.0
    neck: bool = False

    @model_validator(mode="after")
    def _something_is_left(self) -> BDBConfig:
        if self.height_ratio == self.width_ratio == 1:
            raise ValueError("height_ratio and width_ratio: a block of 1 x 1 leaves nothing")
        return self

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds a classifier for training."""
        return BDBHead(self, backbone.out_channels, identities)


class BDBHead(Head):
    """global: mean pooling, `global_dim`; part: bottleneck, drop block, max pooling, `part_dim`.

    Both are reduced by a linear layer, batch normalisation and ReLU, and concatenated in search.
    """

    def __init__(self, config: BDBConfig, channels: int, identities: int) -> None:
        super().__init__()
        self.embedding_dim = config.global_dim + config.part_dim
        self.embed_global = EmbeddingNeck(channels, config.global_dim, identities, neck=config.neck)
        self.part_block = ResidualBottleneck(channels)
        self.drop = BatchDropBlock(config.height_ratio, config.width_ratio)
        self.embed_part = EmbeddingNeck(channels, config.part_dim, identities, neck=config.neck)

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with the branches `global` and `part`."""
        whole = self.embed_global(maps.final.mean((2, 3)))
        dropped = self.drop(self.part_block(maps.final))
        part = self.embed_part(dropped.amax((2, 3)))
        embedding = unit(torch.cat([whole.neck, part.neck], 1))
        return Outputs(embedding, {"global": whole, "part": part})
