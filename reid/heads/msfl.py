"""MSFL: one vector fused from all scales of the backbone.

Source: "Adversarial Multi-scale Feature Learning for Person Re-identification", section III-A.
Its second half, the gradient penalty MSGR (equations 4 and 7), is no part of the head: it acts on
the stages of `Outputs` and is a section of the YAML of its own.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.errors import ReidError
from reid.heads.blocks import EmbeddingNeck
from reid.heads.pyramid import CrossScalePyramid, Smoothing
from reid.heads.residual import ResidualBottleneck
from reid.network import Head, Maps, Outputs, Targets, unit
from reid.section import Section


class MSFLConfig(Section):
    """The whole system, and by its switches the steps of Tables I and IV.

    Attributes:
        levels: which of the maps C2..C5 are used, fine to coarse.
        channels: of the pyramid's maps. dim: of the embedding.
        lateral, top_down: the two halves of CSIP. Table I: (a) levels [5], (b) and (c) more
            levels, all with both False; (d) top_down alone; (e) both.
        fusion_blocks: MSFF, bottleneck blocks behind each level; zeros leave it out (Table I e).
        smoothing: of the upsampled maps. "full" is what the text says. Table II (27 M parameters
            and 5.9 G multiplications in all) does not agree: behind ResNet-50 (23.5 M, 2.6 G at
            256x128) this head has 11.8 M and 8.9 G with "full", 4.7 M and 2.6 G with "depthwise".
        neck: put a batch normalisation between metric and ID loss; the paper names none.
    """

    gives: ClassVar[frozenset[str]] = frozenset()

    name: Literal["msfl"] = "msfl"
    dim: int = Field(default=512, ge=8, le=4096)
    channels: int = Field(default=512, ge=4, le=2048)
    levels: tuple[Literal[2, 3, 4, 5], ...] = (2, 3, 4, 5)
    lateral: bool = True
    top_down: bool = True
    fusion_blocks: tuple[int, ...] = (3, 2, 1, 0)
    smoothing: Smoothing = "full"
    neck: bool = False

    @model_validator(mode="after")
    def _levels_fit(self) -> MSFLConfig:
        if not self.levels or list(self.levels) != sorted(set(self.levels)):
            raise ValueError("levels: name each once, in ascending order, as in [2, 3, 4, 5]")
        if len(self.fusion_blocks) != len(self.levels):
            raise ValueError(
                f"fusion_blocks: {len(self.levels)} levels need {len(self.levels)} numbers"
            )
        if min(self.fusion_blocks) < 0 or max(self.fusion_blocks) > 8:
            raise ValueError("fusion_blocks: 0 to 8 at each level")
        return self

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds a classifier for training.

        Raises:
            ReidError: a backbone without four stages.
        """
        if len(backbone.stage_channels) != 4:
            raise ReidError(
                f"model.head: msfl needs the maps C2 to C5, {type(backbone).__name__} has "
                f"{len(backbone.stage_channels)} stages"
            )
        return MSFLHead(self, backbone.stage_channels, identities)


class MSFLHead(Head):
    """Pyramid (CSIP), bottleneck blocks per level, mean pooling, concatenation (MSFF), BN-FC-ReLU.

    The branch `fused` is trained. Left open by the paper: the width inside the bottleneck blocks
    (here a quarter of the pyramid's channels, as in ResNet).
    """

    def __init__(
        self, config: MSFLConfig, stage_channels: tuple[int, ...], identities: int
    ) -> None:
        super().__init__()
        self.embedding_dim = config.dim
        self.levels = config.levels
        self.pyramid = CrossScalePyramid(
            tuple(stage_channels[level - 2] for level in config.levels),
            config.channels,
            lateral=config.lateral,
            top_down=config.top_down,
            smoothing=config.smoothing,
        )
        widths = self.pyramid.out_channels
        self.fusion = nn.ModuleList(
            nn.Sequential(*(ResidualBottleneck(width) for _ in range(count)))
            for width, count in zip(widths, config.fusion_blocks, strict=True)
        )
        self.reduce = nn.Sequential(
            nn.BatchNorm1d(sum(widths)), nn.Linear(sum(widths), config.dim), nn.ReLU()
        )
        self.embed = EmbeddingNeck(
            config.dim, config.dim, identities, reduction="none", neck=config.neck
        )

    def fused_maps(self, stages: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """C2..C5 -> the maps of the chosen levels just before pooling, fine to coarse."""
        maps = self.pyramid(tuple(stages[level - 2] for level in self.levels))
        return tuple(blocks(level) for blocks, level in zip(self.fusion, maps, strict=True))

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with one branch, `fused`."""
        pooled = [level.mean((2, 3)) for level in self.fused_maps(maps.stages)]
        branch = self.embed(self.reduce(torch.cat(pooled, 1)))
        return Outputs(unit(branch.neck), {"fused": branch})
