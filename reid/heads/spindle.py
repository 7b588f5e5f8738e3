"""SpindleNet: seven body regions, cut out at two depths and merged up a tree.

Source: Zhao et al., "Spindle Net: Person Re-identification with Human Body Region Guided Feature
Decomposition and Fusion", CVPR 2017, as told in Zhang, "Person Re-Identification", Megvii, 2017.

- Regions: the smallest boxes that hold their key points. Three macro regions (head and shoulders,
  upper body, lower body), four micro regions (two arms, two legs).
- FEN: macro features are pooled out after the first stage, micro features after the second.
- FFN: vectors compete by element-wise maximum, then an inner product layer follows: the arms join
  the upper body, the legs the lower body, then head, upper and lower body become one body, which
  joins the full picture in the final vector.

Left open by the slides, and chosen here: which joints a region has; a margin around them, as an
arm that hangs straight has no width; a region whose joints are all unseen gets the box that it has
on average in Market-1501's training pictures; the layers after pooling: 1x1 convolution and
residual blocks, shared by the macro and by the micro regions (two blocks with a halving between
them, and one), then an embedding of `dim` for each region. The paper trains its parts one
after the other; here the regions' own ID losses take that place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.errors import ReidError
from reid.heads.blocks import EmbeddingNeck
from reid.heads.joint_boxes import (
    HEAD_TOP,
    LEFT_ARM,
    LEFT_LEG,
    NECK,
    RIGHT_ARM,
    RIGHT_LEG,
    Box,
    bounding_boxes,
    required_joints,
)
from reid.heads.region_sampling import sample_region
from reid.heads.residual import ResidualBottleneck
from reid.network import Branch, Head, Maps, Outputs, Targets, unit
from reid.section import Section

Side = Annotated[int, Field(ge=4, le=128)]

_ARM: Box = (0.35, 0.16, 0.65, 0.50)
_LEG: Box = (0.35, 0.47, 0.65, 0.95)
MACRO: Mapping[str, tuple[tuple[int, ...], Box]] = {
    "head_shoulder": ((HEAD_TOP, NECK, RIGHT_ARM[0], LEFT_ARM[0]), (0.23, 0.0, 0.77, 0.28)),
    "upper_body": (
        (NECK, *RIGHT_ARM, *LEFT_ARM, RIGHT_LEG[0], LEFT_LEG[0]),
        (0.12, 0.13, 0.88, 0.58),
    ),
    "lower_body": ((*RIGHT_LEG, *LEFT_LEG), (0.22, 0.46, 0.78, 0.96)),
}
MICRO: Mapping[str, tuple[tuple[int, ...], Box]] = {
    "right_arm": (RIGHT_ARM, _ARM),
    "left_arm": (LEFT_ARM, _ARM),
    "right_leg": (RIGHT_LEG, _LEG),
    "left_leg": (LEFT_LEG, _LEG),
}
"""Joints, and the box where none of them was seen."""


class SpindleConfig(Section):
    """`dim` is the length of every vector, the final one, too.

    Attributes:
        channels: of the regions' maps.
        margin: room around the joints, in parts of the picture.
        macro_hw, micro_hw: to what regions are sampled, in pixels of their maps.
    """

    gives: ClassVar[frozenset[str]] = frozenset()

    name: Literal["spindle"] = "spindle"
    dim: int = Field(default=256, ge=8, le=4096)
    channels: int = Field(default=256, ge=4, le=2048)
    margin: float = Field(default=0.05, ge=0, le=0.5)
    macro_hw: tuple[Side, Side] = (24, 24)
    micro_hw: tuple[Side, Side] = (12, 12)

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds classifiers for training.

        Raises:
            ReidError: the backbone does not have two stages to cut regions out of.
        """
        if len(backbone.stage_channels) < 2:
            raise ReidError("model.head spindle needs a backbone of at least 2 stages")
        return SpindleHead(self, backbone, identities)


class SpindleHead(Head):
    """Branches `fused` (what is searched), `full` (the whole picture) and the seven regions."""

    needs_joints = True

    def __init__(self, config: SpindleConfig, backbone: Backbone, identities: int) -> None:
        super().__init__()
        self.config = config
        self.embedding_dim = config.dim
        self.macro = _RegionFeatures(backbone.stage_channels[0], config.channels, blocks=2)
        self.micro = _RegionFeatures(backbone.stage_channels[1], config.channels, blocks=1)
        lengths = {"full": backbone.out_channels}
        lengths |= dict.fromkeys((*MACRO, *MICRO), config.channels)
        self.embed = nn.ModuleDict(
            {name: EmbeddingNeck(n, config.dim, identities) for name, n in lengths.items()}
        )
        self.fuse = FeatureFusion(config.dim)
        self.final = EmbeddingNeck(config.dim, config.dim, identities, reduction="linear")

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with nine branches.

        Raises:
            ReidError: without joints.
        """
        joints = required_joints(maps.joints, "model.head spindle").to(maps.images.device)
        pooled = {"full": maps.final.mean((2, 3))}
        levels = (
            (MACRO, self.macro, maps.stages[0], self.config.macro_hw),
            (MICRO, self.micro, maps.stages[1], self.config.micro_hw),
        )
        for regions, features, source, size in levels:
            boxes = region_boxes(joints, regions, self.config.margin)
            for index, name in enumerate(regions):
                pooled[name] = features(sample_region(source, boxes[:, index], size))
        branches: dict[str, Branch] = {
            name: self.embed[name](vector) for name, vector in pooled.items()
        }
        fused = self.final(self.fuse({name: b.metric for name, b in branches.items()}))
        return Outputs(unit(fused.neck), {"fused": fused, **branches})


def region_boxes(
    joints: Tensor, regions: Mapping[str, tuple[tuple[int, ...], Box]], margin: float
) -> Tensor:
    """(B, 14, 2) -> boxes (B, R, 4) of MACRO or MICRO."""
    index = [joints_of for joints_of, _ in regions.values()]
    return bounding_boxes(joints, index, [usual for _, usual in regions.values()], margin)


class FeatureFusion(nn.Module):
    """The tree up to, and with, the last maximum; its inner product is the final embedding's."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        nodes = ("arms", "legs", "upper", "lower", "body")
        self.transform = nn.ModuleDict(
            {node: nn.Sequential(nn.Linear(dim, dim), nn.ReLU()) for node in nodes}
        )

    def forward(self, vectors: Mapping[str, Tensor]) -> Tensor:
        """Vectors (B, dim) of `full` and the seven regions -> (B, dim)."""
        arms = self._merge("arms", vectors["left_arm"], vectors["right_arm"])
        legs = self._merge("legs", vectors["left_leg"], vectors["right_leg"])
        upper = self._merge("upper", arms, vectors["upper_body"])
        lower = self._merge("lower", legs, vectors["lower_body"])
        body = self._merge("body", vectors["head_shoulder"], upper, lower)
        return torch.maximum(body, vectors["full"])

    def _merge(self, node: str, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = torch.maximum(first, other)
        merged: Tensor = self.transform[node](first)
        return merged


class _RegionFeatures(nn.Module):
    """What follows the cutting out: 1x1 convolution and residual blocks, mean of the map.

    Between two blocks the map is halved by 2x2 maxima, as between two stages of a backbone.
    """

    def __init__(self, in_channels: int, channels: int, blocks: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        for index in range(blocks):
            layers += [nn.MaxPool2d(2)] if index else []
            layers.append(ResidualBottleneck(channels))
        self.layers = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, in_channels, h, w) -> (B, channels)."""
        found: Tensor = self.layers(maps)
        return found.mean((2, 3))
