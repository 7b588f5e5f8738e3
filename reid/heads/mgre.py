"""MGRe: features of several granularities from body regions of several granularities.

Source: Yang, Yang, Tian, "Learning multi-granularity features from multi-granularity regions for
person re-identification", Neurocomputing 432 (2021) 206-215, sections 3.1 and 3.2.

Stages 1, 2 and 3 of the backbone locate 4, 2 and 1 body regions (`location`), sample them out of
their maps (`region_sampling`), put each through a residual block and embed the regions of a stage
together; stage 4 does so with the whole picture. F^final = [lambda_i F_i / |F_i|] (equation 6).

Open in the paper, and chosen here:

- Figure 3's embedding: each region's global mean + global maximum (a sum: the regions of a stage
  then have 1024 channels together on ResNet-50, and joining both would double the layer), joined
  over the regions, then the project's neck (reduction to `dim`, triplet loss before the batch
  normalisation, ID loss and search after it);
- the enriching convolution of stages 1 and 2 is 1x1: a 3x3 one at the fine resolution alone takes
  more than the 7.89 GFLOPs that Table 8 gives the whole network. It runs before the upsampling,
  which gives the same numbers (both are linear and bilinear weights sum to 1), 16 and 4 times
  cheaper. Location modules see the maps before that;
- every region has a residual block of its own ("do not share weights"); so has the whole picture,
  save where nothing is sampled at all (Table 4's Baseline, Table 7's Baseline+JO);
- "stage 4" is the backbone's final map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.errors import ReidError
from reid.heads.blocks import EmbeddingNeck, Reduction
from reid.heads.joint_boxes import bounding_boxes, required_joints
from reid.heads.location import LocationModule
from reid.heads.mgre_regions import Region, regions_of
from reid.heads.region_sampling import sample_region
from reid.heads.residual import ResidualBottleneck
from reid.network import Branch, Head, Maps, Outputs, Targets, unit
from reid.section import Section

_MARGIN = 0.05
"""Around given joints, as in equation 3."""

Weight = Annotated[float, Field(gt=0)]


class MGReConfig(Section):
    """The network and its ablations.

    Attributes:
        dim: length of each of the embeddings F1..F4.
        feature_weights: lambda^F of equation 6, for F1..F4.
        stages: which of the stages 1..3 have modules (Table 4); none is the Baseline.
        single_grained_features: everything works on the map of stage 4 (Table 5).
        single_grained_regions: all stages embed the whole picture, nothing is located (Table 5).
        joint_optimization: Table 7. `joint` is MGRe; `location_only` (Baseline+JO) locates but
            samples nothing and embeds stage 4 alone; `given` (MGRe w/o JO) takes the boxes around
            given joints, in training and in search.
        location_channels: of the location modules' convolution.
        reduction: what shortens the pooled vectors to `dim`.
    """

    name: Literal["mgre"] = "mgre"
    dim: int = Field(default=512, ge=8, le=4096)
    feature_weights: tuple[Weight, Weight, Weight, Weight] = (0.35, 0.5, 0.7, 0.8)
    stages: tuple[Literal[1, 2, 3], ...] = (1, 2, 3)
    single_grained_features: bool = False
    single_grained_regions: bool = False
    joint_optimization: Literal["joint", "location_only", "given"] = "joint"
    location_channels: int = Field(default=64, ge=4, le=1024)
    reduction: Literal["linear", "linear-bn-relu"] = "linear-bn-relu"

    @field_validator("stages")
    @classmethod
    def _ascending(cls, stages: tuple[int, ...]) -> tuple[int, ...]:
        if list(stages) != sorted(set(stages)):
            raise ValueError("name each of the stages 1, 2, 3 once, in this order")
        return stages

    @model_validator(mode="after")
    def _check_combination(self) -> MGReConfig:
        if self.single_grained_regions and self.joint_optimization != "joint":
            raise ValueError(
                "single_grained_regions locates nothing: joint_optimization "
                f"{self.joint_optimization} has no meaning with it"
            )
        if self.single_grained_regions and self.single_grained_features:
            raise ValueError("choose one of single_grained_features and single_grained_regions")
        if not self.stages and (
            self.single_grained_features
            or self.single_grained_regions
            or self.joint_optimization != "joint"
        ):
            raise ValueError("without stages there is nothing that another switch could change")
        return self

    @property
    def locates(self) -> bool:
        """Whether boxes are predicted."""
        given = self.joint_optimization == "given"
        return bool(self.stages) and not self.single_grained_regions and not given

    @property
    def embedded(self) -> tuple[int, ...]:
        """The stages that have an embedding, 1..4."""
        return (4,) if self.joint_optimization == "location_only" else (*self.stages, 4)

    @property
    def gives(self) -> frozenset[str]:
        """Boxes, where they are predicted."""
        return frozenset({"boxes"} if self.locates else ())

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds classifiers for training.

        Raises:
            ReidError: the backbone does not have four stages.
        """
        if len(backbone.stage_channels) != 4:
            raise ReidError(
                f"model.head mgre needs a backbone of 4 stages, not {len(backbone.stage_channels)}"
            )
        return MGReHead(self, backbone, identities)


class MGReHead(Head):
    """Branches `f1` .. `f4`; extra `boxes` (B, R, 4).

    Attributes:
        regions: the joints of each of the R predicted boxes, for the location loss; None where
            nothing is predicted.
    """

    def __init__(self, config: MGReConfig, backbone: Backbone, identities: int) -> None:
        super().__init__()
        self.config = config
        given = config.joint_optimization == "given"
        self.needs_joints = given
        self.embedding_dim = config.dim * len(config.embedded)
        found = () if config.single_grained_regions else regions_of(config.stages)
        self.regions = tuple(region.joints for region in found) if config.locates else None
        coarse = backbone.out_channels
        channels = dict(enumerate((*backbone.stage_channels[:3], coarse), 1))
        if config.single_grained_features:
            channels = dict.fromkeys(channels, coarse)
        self.locate = nn.ModuleDict()
        if config.locates:
            for k in config.stages:
                module = LocationModule(channels[k], regions_of([k]), config.location_channels)
                self.locate[str(k)] = module
        self.embed = nn.ModuleDict()
        for stage in config.embedded:
            enriched = stage < 3 and not config.single_grained_features
            self.embed[str(stage)] = StageEmbedding(
                channels[stage],
                regions_of([stage]) if found else (),
                config.dim,
                identities,
                coarse_channels=coarse if enriched else 0,
                extract=len(config.embedded) > 1,
                reduction=config.reduction,
            )

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with the branches of the embedded stages, and boxes."""
        sources = {stage: self._source(maps, stage) for stage in (1, 2, 3, 4)}
        boxes = {int(stage): find(sources[int(stage)]) for stage, find in self.locate.items()}
        extras = {"boxes": torch.cat(list(boxes.values()), 1)} if boxes else {}
        if self.needs_joints:
            boxes = self._given_boxes(maps.joints)
        branches: dict[str, Branch] = {}
        weighted = []
        for key, embed in self.embed.items():
            stage = int(key)
            branch = embed(sources[stage], maps.final, boxes.get(stage))
            branches[f"f{stage}"] = branch
            weighted.append(self.config.feature_weights[stage - 1] * unit(branch.neck))
        return Outputs(unit(torch.cat(weighted, 1)), branches, extras=extras)

    def _source(self, maps: Maps, stage: int) -> Tensor:
        coarse = stage == 4 or self.config.single_grained_features
        return maps.final if coarse else maps.stages[stage - 1]

    def _given_boxes(self, joints: Tensor | None) -> dict[int, Tensor]:
        """Per stage the boxes that equation 3 asks for; Table 1's where no joint was seen."""
        joints = required_joints(joints, "model.head.joint_optimization given")
        found: dict[int, Tensor] = {}
        for stage in self.config.stages:
            regions = regions_of([stage])
            index = [region.joints for region in regions]
            fallback = [region.box for region in regions]
            found[stage] = bounding_boxes(joints, index, fallback, _MARGIN)
        return found


class StageEmbedding(nn.Module):
    """Sampling, feature extraction and embedding of one stage.

    Args:
        channels: of the stage's map. regions: what is sampled; empty takes the whole map.
        dim: of the embedding. identities: of the classifier; 0 builds none.
        coarse_channels: of the coarsest map, which enriches this one; 0: not enriched.
        extract: whether each region (or the map) goes through a residual block.
        reduction: what shortens the pooled vectors to `dim`.
    """

    def __init__(
        self,
        channels: int,
        regions: Sequence[Region],
        dim: int,
        identities: int,
        *,
        coarse_channels: int,
        extract: bool,
        reduction: Reduction,
    ) -> None:
        super().__init__()
        self.sizes = tuple(region.sampled_hw for region in regions)
        count = max(1, len(regions))
        self.enrich = nn.Conv2d(coarse_channels, channels, 1) if coarse_channels else None
        self.extract = nn.ModuleList(
            ResidualBottleneck(channels) if extract else nn.Identity() for _ in range(count)
        )
        self.embed = EmbeddingNeck(count * channels, dim, identities, reduction=reduction)

    def forward(self, maps: Tensor, coarse: Tensor, boxes: Tensor | None) -> Branch:
        """The stage's map, the coarsest map and boxes (B, R, 4) -> Branch of (B, dim)."""
        if self.enrich is not None:
            size = maps.shape[2:]
            maps = maps + F.interpolate(self.enrich(coarse), size=size, mode="bilinear")
        pieces = [maps]
        if boxes is not None and self.sizes:
            pieces = [sample_region(maps, boxes[:, i], hw) for i, hw in enumerate(self.sizes)]
        found = [extract(piece) for extract, piece in zip(self.extract, pieces, strict=True)]
        return self.embed(torch.cat([_mean_and_max(features) for features in found], 1))


def _mean_and_max(maps: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C): global mean + global maximum."""
    return maps.mean((2, 3)) + maps.amax((2, 3))
