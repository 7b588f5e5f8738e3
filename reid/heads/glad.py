"""GLAD: the whole picture and three parts that key points cut out, embedded and joined.

Source: Wei et al., "GLAD: Global-Local-Alignment Descriptor for Pedestrian Retrieval", ACM MM
2017 (arXiv:1709.04329), as told in Zhang, "Person Re-Identification", Megvii, 2017. Four
sub-networks share their convolutions; pooling takes the place of fully connected layers; only
ID losses; the four vectors are joined. Box formulas: `glad_boxes`.

Left open by the slides, and chosen here: a = 0.03 of the height; the parts' sizes; a reduction to
`dim` with the project's neck; each of the four vectors has length 1 before they are joined.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.heads.blocks import EmbeddingNeck, Reduction
from reid.heads.glad_boxes import glad_boxes
from reid.heads.joint_boxes import required_joints
from reid.heads.region_sampling import sample_region
from reid.network import Head, Maps, Outputs, Targets, unit
from reid.section import Section

Side = Annotated[int, Field(ge=16, le=1024)]
BRANCHES = ("global", "head", "upper", "lower")


class GLADConfig(Section):
    """`dim` is the length of each of the four vectors.

    Attributes:
        crop: `picture` cuts the parts out of the input and runs the backbone on each, as GLAD
            does; `map` cuts them out of the backbone's final map, three backbone runs cheaper: a
            part is then not magnified, and its features see what is around it.
        margin: a, in parts of the picture's height; larger boxes overlap more.
        head_hw, body_hw: to what the head and the two halves of the body are sampled, in pixels
            of the input; with `map` divided by the map's stride.
        reduction: what shortens the pooled vectors to `dim`.
    """

    gives: ClassVar[frozenset[str]] = frozenset()

    name: Literal["glad"] = "glad"
    dim: int = Field(default=512, ge=8, le=4096)
    crop: Literal["picture", "map"] = "picture"
    margin: float = Field(default=0.03, ge=0, le=0.5)
    head_hw: tuple[Side, Side] = (64, 64)
    body_hw: tuple[Side, Side] = (128, 128)
    reduction: Reduction = "linear-bn-relu"

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds classifiers for training."""
        return GLADHead(self, backbone, identities)


class GLADHead(Head):
    """Branches `global`, `head`, `upper` and `lower`."""

    needs_joints = True

    def __init__(self, config: GLADConfig, backbone: Backbone, identities: int) -> None:
        super().__init__()
        self.config = config
        self.embedding_dim = len(BRANCHES) * config.dim
        self.stride = backbone.stage_strides[-1]
        # In a tuple, so that the network's backbone is not registered a second time here.
        self._trunk = (backbone,)
        channels = backbone.out_channels
        self.embed = nn.ModuleDict(
            {
                name: EmbeddingNeck(channels, config.dim, identities, reduction=config.reduction)
                for name in BRANCHES
            }
        )

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with four branches.

        Raises:
            ReidError: without joints.
        """
        joints = required_joints(maps.joints, "model.head glad")
        height, width = maps.images.shape[2:]
        boxes = glad_boxes(joints.to(maps.images.device), self.config.margin, height / width)
        if self.config.crop == "picture":
            head, body = self._crop(maps.images, boxes, 1)
            trunk = self._trunk[0]
            head, body = trunk(head), trunk(body)
        else:
            head, body = self._crop(maps.final, boxes, self.stride)
        parts = (maps.final, head, *body.chunk(2))
        branches = {
            name: self.embed[name](part.mean((2, 3)))
            for name, part in zip(BRANCHES, parts, strict=True)
        }
        joined = torch.cat([unit(branch.neck) for branch in branches.values()], 1)
        return Outputs(unit(joined), branches)

    def _crop(self, maps: Tensor, boxes: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        """Heads (B, C, h, w), and upper over lower bodies (2B, C, h', w')."""
        head_hw = _divided(self.config.head_hw, stride)
        body_hw = _divided(self.config.body_hw, stride)
        head = sample_region(maps, boxes[:, 0], head_hw)
        halves = [sample_region(maps, boxes[:, part], body_hw) for part in (1, 2)]
        return head, torch.cat(halves)


def _divided(size: tuple[int, int], stride: int) -> tuple[int, int]:
    return max(1, size[0] // stride), max(1, size[1] // stride)
