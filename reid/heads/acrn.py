"""ACRN: identity features and clothing attributes in one embedding.

Source: Schumann & Stiefelhagen, "Person Re-identification by Deep Learning Attribute-Complementary
Information", CVPR workshops 2017; the Megvii slides' "ReID with Person Attributes".
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.data.attributes import ATTRIBUTES
from reid.heads.blocks import EmbeddingNeck
from reid.heads.box_pooling import stripe_mean
from reid.network import Head, Maps, Outputs, Targets, unit
from reid.section import Section


class ACRNConfig(Section):
    """Sizes, and how much the attributes count.

    Attributes:
        dim: floats of the identity vector.
        attributes: which are learned, by name; all that the annotation has and that may be
            learned: nothing about the body.
        gamma: weight of the attribute distance against the identity distance when searching;
            raising it ranks people by their clothes, 0 leaves the attributes out.
        local_views: horizontal stripes that the attribute branch sees beside the whole (the
            paper's local view networks); 0 leaves only the whole.
        attribute_hidden: floats between views and attributes.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"attributes"})

    name: Literal["acrn"] = "acrn"
    dim: int = Field(default=512, ge=8, le=4096)
    attributes: tuple[str, ...] = Field(default=ATTRIBUTES, min_length=1)
    gamma: float = Field(default=0.1, ge=0, le=10)
    local_views: int = Field(default=3, ge=0, le=16)
    attribute_hidden: int = Field(default=256, ge=4, le=2048)

    @field_validator("attributes")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ATTRIBUTES:
                raise ValueError(f"{name}: not an attribute of clothing or belongings")
        if len(set(names)) < len(names):
            raise ValueError("an attribute is named twice")
        return names

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds a classifier for training."""
        return ACRNHead(self, backbone.out_channels, identities)


def join_attributes(features: Tensor, logits: Tensor, gamma: float) -> Tensor:
    """One unit vector whose squared distances are identity + gamma * attribute distance.

    With f = unit(features) and a = unit(2 sigmoid(logits) - 1), the embedding is
    e = [f, sqrt(gamma) a] / sqrt(1 + gamma), of length 1, so that

        ||e - e'||^2 = (||f - f'||^2 + gamma ||a - a'||^2) / (1 + gamma),

    and the cosine distance of e, half of that, ranks by the sum. The slides take the attribute
    probabilities themselves for a; centred and of length 1, they leave e at length 1,
    which every index and distance here relies on, and a doubtful attribute (p = 1/2) counts
    nothing.

    Args:
        features: (B, D). logits: (B, A). gamma: >= 0.

    Returns:
        (B, D + A).
    """
    centred = unit(2 * torch.sigmoid(logits) - 1)
    joined = torch.cat([unit(features), math.sqrt(gamma) * centred.to(unit(features).dtype)], 1)
    return unit(joined)


class ACRNHead(Head):
    """Branch `global` (mean of the map, BNNeck) and attribute logits, extra `attributes` (B, A).

    The attribute branch reads the mean of the whole and of `local_views` stripes through one
    hidden layer. Only `global` has metric and ID losses; the attribute losses are in
    reid/losses/attributes.py.

    Attributes:
        attributes: names of the extra's columns, for the attribute loss.
    """

    def __init__(self, config: ACRNConfig, channels: int, identities: int) -> None:
        super().__init__()
        self.attributes = config.attributes
        self.gamma = config.gamma
        self.views = config.local_views
        self.embedding_dim = config.dim + len(config.attributes)
        self.embed_global = EmbeddingNeck(channels, config.dim, identities)
        self.classify = nn.Sequential(
            nn.Linear((1 + config.local_views) * channels, config.attribute_hidden),
            nn.BatchNorm1d(config.attribute_hidden),
            nn.ReLU(inplace=True),
            nn.Linear(config.attribute_hidden, len(config.attributes)),
        )

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with the branch `global` and the extra `attributes`."""
        whole = maps.final.mean((2, 3))
        seen = [whole]
        if self.views:
            seen.append(stripe_mean(maps.final, self.views).flatten(1))
        logits = self.classify(torch.cat(seen, 1))
        branch = self.embed_global(whole)
        embedding = join_attributes(branch.neck, logits, self.gamma)
        return Outputs(embedding, {"global": branch}, extras={"attributes": logits})
