"""A ReID network: a backbone gives maps, a head turns them into what is searched and trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch.nn.functional as F
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.precision import at_least_float32


@dataclass(frozen=True)
class Branch:
    """One vector per picture that is trained with ID and metric losses.

    Attributes:
        metric: (B, D) before the neck, for the metric losses.
        neck: (B, D) after it (batch normalisation, or `metric` itself), for ID loss,
            distillation and search.
        logits: (B, identities), or None without a classifier.
    """

    metric: Tensor
    neck: Tensor
    logits: Tensor | None = None


@dataclass(frozen=True)
class Targets:
    """What is known about the labelled pictures of a batch, which are its first rows.

    Attributes:
        labels: (L,) int64 identities counted from 0.
        joints: (B, J, 2) x and y of body joints as fractions of the picture, NaN where unseen.
        attributes: (L, A) in 0 and 1.
        teacher: (B, T) features of a stronger model.
    """

    labels: Tensor
    joints: Tensor | None = None
    attributes: Tensor | None = None
    teacher: Tensor | None = None


@dataclass(frozen=True)
class Outputs:
    """All that a network says about B pictures.

    Attributes:
        embedding: (B, D) of length 1; what search compares.
        branches: vectors to train, by name; at least one.
        parts: (B, P, d), vectors of length 1, top to bottom; None without parts.
        visibility: (B, P) in 0..1; None means that every part is seen.
        extras: tensors for particular losses or distances, (B, ...) each, by the names that the
            head's configuration `gives`.
        stages: the backbone's maps, fine to coarse.
    """

    embedding: Tensor
    branches: Mapping[str, Branch]
    parts: Tensor | None = None
    visibility: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    stages: tuple[Tensor, ...] = ()

    def first(self, count: int) -> Outputs:
        """What it says about the first `count` pictures."""

        def cut(value: Tensor | None) -> Tensor | None:
            return None if value is None else value[:count]

        return Outputs(
            self.embedding[:count],
            {
                name: Branch(b.metric[:count], b.neck[:count], cut(b.logits))
                for name, b in self.branches.items()
            },
            cut(self.parts),
            cut(self.visibility),
            {name: value[:count] for name, value in self.extras.items()},
            tuple(stage[:count] for stage in self.stages),
        )


@dataclass(frozen=True)
class Maps:
    """What a head sees.

    Attributes:
        images: (B, 3, H, W) the network's input.
        stages: the backbone's maps C2..C5, fine to coarse, (B, C_k, h_k, w_k).
        final: (B, C, h, w), the map that a plain head pools.
        joints: (B, J, 2) as in `Targets`, or None.
    """

    images: Tensor
    stages: tuple[Tensor, ...]
    final: Tensor
    joints: Tensor | None = None


class Head(nn.Module, ABC):
    """Base of all heads.

    Attributes:
        embedding_dim: D of `Outputs.embedding`.
        part_shape: (P, d) of `Outputs.parts`, or None.
        needs_joints: whether it cannot do without `Maps.joints`, not even when searching.
    """

    needs_joints: bool = False
    embedding_dim: int
    part_shape: tuple[int, int] | None = None

    @abstractmethod
    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Maps -> Outputs; `targets` are there in training alone."""


class ReidNetwork(nn.Module):
    """Backbone and head.

    `forward` gives what is stored and searched, as a tuple of tensors: the embedding (B, D); where
    the head has parts also these (B, P, d); and where it sees which are visible, (B, P).
    """

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def outputs(
        self, images: Tensor, targets: Targets | None = None, joints: Tensor | None = None
    ) -> Outputs:
        """(B, 3, H, W) normalised RGB -> everything.

        Args:
            targets: in training. joints: (B, J, 2) for heads that need them; default: `targets`'.
        """
        if joints is None and targets is not None:
            joints = targets.joints
        stages = self.backbone.stages(images)
        maps = Maps(images, stages, self.backbone.final_map(stages), joints)
        return replace(self.head(maps, targets), stages=stages)

    def forward(self, images: Tensor, joints: Tensor | None = None) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> (embedding,), (embedding, parts) or (embedding, parts, visibility)."""
        found = self.outputs(images, joints=joints)
        result = (found.embedding, found.parts, found.visibility)
        return tuple(value for value in result if value is not None)


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1 along the last axis, at least float32."""
    return F.normalize(at_least_float32(vectors), dim=-1)
