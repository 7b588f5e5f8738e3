"""PGR: features of the instance, its parts and its pixels.

Source: Dou et al., "Progressive-Granularity Retrieval via Hierarchical Feature Alignment for
Person Re-identification", ICASSP 2022 (poster). Search with all three: reid/progressive.py.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from reid.backbones.base import Backbone
from reid.errors import ReidError
from reid.heads.blocks import EmbeddingNeck
from reid.heads.part_masks import PartMasks, mask_visibility, masked_mean, salient
from reid.network import Branch, Head, Maps, Outputs, Targets, unit
from reid.section import Section


class PGRConfig(Section):
    """Sizes and the choices that the poster leaves open.

    Attributes:
        dim: floats of the instance and of the foreground vector.
        part_count: K. part_dim: floats per part.
        pixel_dim: floats per pixel; larger costs memory in the gallery (see PyramidFeatures).
        pixel_pool: side of the squares of positions whose mean is one pixel; 4 for a
            backbone of stride 4 gives the 16 x 8 pixels of one of stride 16.
        row_prior: see PartMasks. least_area: see mask_visibility.
        join_foreground: whether the embedding is instance and foreground vector or only the
            first.
    """

    gives: ClassVar[frozenset[str]] = frozenset(
        {"parts", "pixels", "foreground", "part_masks", "part_logits", "saliency"}
    )

    name: Literal["pgr"] = "pgr"
    dim: int = Field(default=512, ge=8, le=4096)
    part_count: int = Field(default=6, ge=1, le=16)
    part_dim: int = Field(default=256, ge=4, le=1024)
    pixel_dim: int = Field(default=64, ge=4, le=512)
    pixel_pool: int = Field(default=1, ge=1, le=16)
    row_prior: float = Field(default=2.0, ge=0)
    least_area: float = Field(default=0.01, ge=0, le=1)
    join_foreground: bool = True

    def build(self, backbone: Backbone, identities: int) -> Head:
        """The head for this backbone; `identities` > 0 adds classifiers for training."""
        return PGRHead(self, backbone.out_channels, identities)


class PGRHead(Head):
    """Three granularities of one map X (B, C, h, w) under masks m_1..m_K and background m_0.

    - Instance: branch `instance` = mean of X; branch `foreground` = mean weighted by 1 - m_0.
    - Parts: v_k = mean weighted by m_k, with a reduction, neck and classifier of its own;
      visibility by `mask_visibility`.
    - Pixels: 1x1 convolution to `pixel_dim`, unit vectors. The branch `pixel`, their mean
      weighted by the foreground, trains them.

    Open in the poster, chosen here: the losses of the masks (reid/losses/part_masks.py, on the
    extras `part_masks` (B, K + 1, h, w), background last, and `saliency` (B, h, w)), the
    visibility, the reduction of the pixels. `part_logits` (B, K, identities) only with
    classifiers.
    """

    def __init__(self, config: PGRConfig, channels: int, identities: int) -> None:
        super().__init__()
        self.config = config
        self.embedding_dim = config.dim * (2 if config.join_foreground else 1)
        self.part_shape = (config.part_count, config.part_dim)
        self.masks = PartMasks(channels, config.part_count, config.row_prior)
        self.embed_instance = EmbeddingNeck(channels, config.dim, identities)
        self.embed_foreground = EmbeddingNeck(channels, config.dim, identities)
        self.embed_parts = nn.ModuleList(
            EmbeddingNeck(channels, config.part_dim, identities) for _ in range(config.part_count)
        )
        self.reduce_pixels = nn.Sequential(
            nn.Conv2d(channels, config.pixel_dim, 1, bias=False), nn.BatchNorm2d(config.pixel_dim)
        )
        self.embed_pixel = EmbeddingNeck(
            config.pixel_dim, config.pixel_dim, identities, reduction="none"
        )

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        """Outputs with the branches `instance`, `foreground` and `pixel`."""
        masks = self.masks(maps.final)
        foreground = 1 - masks[:, -1:]
        part_masks = masks[:, :-1]
        instance = self.embed_instance(maps.final.mean((2, 3)))
        whole = self.embed_foreground(masked_mean(maps.final, foreground)[:, 0])
        parts = self._parts(masked_mean(maps.final, part_masks))
        pixel_map = self.reduce_pixels(maps.final)
        extras = {
            "pixels": unit(self._pooled(pixel_map).movedim(1, -1)).movedim(-1, 1),
            "foreground": self._pooled(foreground)[:, 0],
            "part_masks": masks,
            "saliency": salient(maps.final),
        }
        logits = [part.logits for part in parts if part.logits is not None]
        if logits:
            extras["part_logits"] = torch.stack(logits, 1)
        return Outputs(
            self._embedding(instance, whole),
            {
                "instance": instance,
                "foreground": whole,
                "pixel": self.embed_pixel(masked_mean(pixel_map, foreground)[:, 0]),
            },
            torch.stack([unit(part.neck) for part in parts], 1),
            mask_visibility(part_masks, self.config.least_area),
            extras,
        )

    def _parts(self, pooled: Tensor) -> list[Branch]:
        return [embed(pooled[:, k]) for k, embed in enumerate(self.embed_parts)]

    def _embedding(self, instance: Branch, foreground: Branch) -> Tensor:
        if not self.config.join_foreground:
            return unit(instance.neck)
        return unit(torch.cat([unit(instance.neck), unit(foreground.neck)], 1))

    def _pooled(self, maps: Tensor) -> Tensor:
        side = self.config.pixel_pool
        if side == 1:
            return maps
        if min(maps.shape[2:]) < side:
            size = "x".join(str(n) for n in maps.shape[2:])
            raise ReidError(f"head.pixel_pool: {side} is more than the map of {size} has")
        return F.avg_pool2d(maps, side)
