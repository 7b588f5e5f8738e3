"""PMM: three stages, each of which must do without what the one before it looked at.

Source: Zhang et al., "Progressive Multi-stage Feature Mix for Person Re-identification",
ICASSP 2021 (arXiv:2007.08779).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.errors import ReidError
from reid.heads.blocks import EmbeddingNeck
from reid.heads.feature_mix import Mixed, a_hard_mix, cutmix, cutout
from reid.heads.grad_cam import grad_cam
from reid.heads.mixed_labels import label_extras
from reid.heads.rectangles import outside_rectangle
from reid.heads.residual import ResidualBottleneck
from reid.heads.salient_blocks import outside_salient_blocks
from reid.network import Branch, Head, Maps, Outputs, Targets, unit
from reid.section import Section

Ratio = Annotated[float, Field(gt=0, le=1)]
Mix = Literal["a_hard_mix", "a_cutmix", "cutmix", "cutout", "none"]


class PMMConfig(Section):
    """The stages, and how the map of one is made harder for the next.

    Attributes:
        dim: of each stage's embedding; search compares `stages` of them.
        mix: table 2's A-HardMix, A-CutMix, CutMix, CutOut, or none.
        block_grid: rows and columns of blocks that Grad-CAM ranks. block_count: how many of the
            most salient are replaced; larger makes the next stage's task harder.
        random_ratio_hw: height and width of CutMix's and CutOut's random block as shares of the
            map's.
        later_pooling: of the stages after the first, which takes the mean.
        neck: put a batch normalisation between metric and ID loss; the paper has none.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"mixed_labels", "mixed_share"})

    name: Literal["pmm"] = "pmm"
    dim: int = Field(default=512, ge=8, le=4096)
    stages: int = Field(default=3, ge=1, le=4)
    mix: Mix = "a_hard_mix"
    block_grid: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (8, 4)
    block_count: int = Field(default=3, ge=1)
    random_ratio_hw: tuple[Ratio, Ratio] = (0.33, 1.0)
    later_pooling: Literal["mean", "max"] = "mean"
    neck: bool = False

    @model_validator(mode="after")
    def _something_is_left(self) -> PMMConfig:
        rows, columns = self.block_grid
        if self.block_count >= rows * columns:
            raise ValueError(f"block_count: below {rows * columns}, the number of blocks")
        if self.random_ratio_hw == (1, 1):
            raise ValueError("random_ratio_hw: a block of 1 x 1 leaves nothing")
        return self

    @property
    def mixes_labels(self) -> bool:
        """Whether a picture shows several identities, so that a plain ID loss would be wrong."""
        return self.mix in ("cutmix", "a_cutmix")

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds a classifier for training."""
        return PMMHead(self, backbone.out_channels, identities)


class PMMStage(nn.Module):
    """A residual block, pooling and an embedding with a classifier of its own."""

    def __init__(self, config: PMMConfig, channels: int, identities: int, pooling: str) -> None:
        super().__init__()
        self.block = ResidualBottleneck(channels)
        self.pooling = pooling
        self.embed = EmbeddingNeck(channels, config.dim, identities, neck=config.neck)

    def forward(self, maps: Tensor) -> tuple[Tensor, Branch]:
        """(B, C, h, w) -> the stage's map (B, C, h, w) and its branch."""
        found = self.block(maps)
        pooled = found.mean((2, 3)) if self.pooling == "mean" else found.amax((2, 3))
        return found, self.embed(pooled)


class PMMHead(Head):
    """stage1 -> mix -> stage2 -> mix -> stage3; search concatenates the stages, unmixed.

    Mixing happens in training alone and among the labelled pictures. It draws from torch's
    generator of the map's device, which the trainer seeds at each step.

    Left open by the poster, and chosen here: the mixed map of stage k is what stage k + 1 gets
    (the authors' published code instead mixes one and the same unmixed map with each stage's
    Grad-CAM, shares the residual block of the later stages and pools these by the maximum:
    `later_pooling`); 3 of 8 x 4 blocks are replaced, as in that code; metric losses see the
    anchor's label also where CutMix mixes labels.

    With targets the extras "mixed_labels" and "mixed_share" (`reid.heads.mixed_labels`) say whom
    each stage sees; `reid.losses.mixed_identity` is the ID loss for them, which differs from the
    plain one for CutMix and A-CutMix only.
    """

    def __init__(self, config: PMMConfig, channels: int, identities: int) -> None:
        super().__init__()
        self.config = config
        self.embedding_dim = config.stages * config.dim
        poolings = ["mean", *[config.later_pooling] * (config.stages - 1)]
        self.steps = nn.ModuleList(
            PMMStage(config, channels, identities, pooling) for pooling in poolings
        )

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with the branches `stage1`, `stage2`, ...

        Raises:
            ReidError: in training, a batch of one identity, or a map too small for the blocks.
        """
        if targets is not None and self.training and self.config.mix != "none":
            branches, mixes = self._mixing_stages(maps.final, targets.labels)
        else:
            branches, mixes = self._stages(maps.final, None)
        embedding = unit(torch.cat([branch.neck for branch in branches.values()], 1))
        if targets is None:
            return Outputs(embedding, branches)
        extras = label_extras(targets.labels, mixes, len(self.steps), maps.final)
        return Outputs(embedding, branches, extras=extras)

    def _stages(
        self, current: Tensor, labels: Tensor | None
    ) -> tuple[dict[str, Branch], list[Mixed]]:
        """Branches of all stages and what happened between them; no mixing without labels."""
        branches: dict[str, Branch] = {}
        mixes: list[Mixed] = []
        for number, step in enumerate(self.steps, start=1):
            current, branch = step(current)
            branches[f"stage{number}"] = branch
            if labels is not None and number < len(self.steps):
                mixes.append(self._mix(current, branch, labels))
                current = torch.cat([mixes[-1].maps, current[len(labels) :]])
        return branches, mixes

    @torch.compiler.disable
    def _mixing_stages(
        self, current: Tensor, labels: Tensor
    ) -> tuple[dict[str, Branch], list[Mixed]]:
        """`_stages` for Grad-CAM, which needs the graph between map and logits: torch.compile
        would make one node of it. The backbone stays compiled."""
        return self._stages(current, labels)

    def _mix(self, maps: Tensor, branch: Branch, labels: Tensor) -> Mixed:
        """The labelled rows of `maps`, made harder."""
        config, count = self.config, len(labels)
        labelled = maps[:count]
        if config.mix in ("a_hard_mix", "a_cutmix"):
            if branch.logits is None:
                raise ReidError(
                    f"model.head.mix: {config.mix} needs the classifier of an identity loss"
                )
            salient = grad_cam(maps, branch.logits, labels)
            kept = outside_salient_blocks(salient, config.block_grid, config.block_count)
        else:
            size = (maps.shape[2], maps.shape[3])
            kept = outside_rectangle(count, size, config.random_ratio_hw, device=maps.device)
        if config.mix == "a_hard_mix":
            return a_hard_mix(labelled, kept, labels)
        return cutout(labelled, kept) if config.mix == "cutout" else cutmix(labelled, kept)
