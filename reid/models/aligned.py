"""AlignedReID: a global vector and H horizontal part vectors (Zhang et al., arXiv:1711.08184)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from reid.backbones.base import Backbone


@dataclass(frozen=True)
class Features:
    """What training needs of a batch.

    Attributes:
        metric: (B, D) before the neck, for the metric losses.
        neck: (B, D) after batch normalisation, for ID loss, distillation and (normalised) search.
        parts: (B, P, d) part vectors of length 1, top to bottom.
        logits: (B, identities), or None without a classifier.
    """

    metric: Tensor
    neck: Tensor
    parts: Tensor
    logits: Tensor | None

    def first(self, count: int) -> Features:
        """The features of the first `count` pictures."""
        logits = None if self.logits is None else self.logits[:count]
        return Features(self.metric[:count], self.neck[:count], self.parts[:count], logits)


class AlignedReID(nn.Module):
    """Backbone, global branch with BNNeck (Luo et al., 2019) and a part branch.

    The part branch is horizontal max pooling of each of P stripes and a 1x1 convolution.

    Args:
        backbone: module with `out_channels`, (B, 3, H, W) -> (B, C, h, w).
        global_dim: D. part_count: P. part_dim: d.
        identities: size of the classifier; 0 builds none (inference).
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        global_dim: int = 512,
        part_count: int = 8,
        part_dim: int = 64,
        identities: int = 0,
    ) -> None:
        super().__init__()
        channels = backbone.out_channels
        self.backbone = backbone
        self.part_count = part_count
        self.embed = nn.Sequential(
            nn.Linear(channels, global_dim), nn.BatchNorm1d(global_dim), nn.ReLU(inplace=True)
        )
        self.neck = nn.BatchNorm1d(global_dim)
        self.neck.bias.requires_grad_(False)
        self.part_embed = nn.Sequential(
            nn.Conv1d(channels, part_dim, 1, bias=False), nn.BatchNorm1d(part_dim)
        )
        self.classifier = nn.Linear(global_dim, identities, bias=False) if identities else None

    def features(self, images: Tensor) -> Features:
        """(B, 3, H, W) normalised RGB -> Features."""
        maps = self.backbone(images)
        metric = self.embed(maps.mean((2, 3)))
        neck = self.neck(metric)
        stripes = self.part_embed(_stripe_max(maps, self.part_count))
        parts = F.normalize(stripes.transpose(1, 2).float(), dim=2)
        logits = self.classifier(neck) if self.classifier is not None else None
        return Features(metric, neck, parts, logits)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> global (B, D) and parts (B, P, d), all vectors of length 1."""
        features = self.features(images)
        return F.normalize(features.neck.float(), dim=1), features.parts


def _stripe_max(maps: Tensor, parts: int) -> Tensor:
    """(B, C, h, w) -> (B, C, P): largest value in each of P horizontal stripes.

    Stripes overlap by a row where P does not divide h.
    """
    return F.adaptive_max_pool2d(maps, (parts, 1)).flatten(2)
