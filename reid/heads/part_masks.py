"""Learned soft masks of K body parts and the background, and what is pooled with them.

Source: PGR (Dou et al., ICASSP 2022, poster), which leaves visibility and supervision open;
functions say what was chosen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_TINY = 1e-6


class PartMasks(nn.Module):
    """1x1 convolution and softmax over K parts and the background, at every position.

    A fixed prior of the row, -row_prior * (K y - k - 1/2)^2 for part k at height y in 0..1, is
    added to the parts' logits. It makes the first masks soft stripes, so that the parts differ
    from the first step on and stay ordered from top to bottom; the convolution bends them.

    Args:
        channels: of the map. parts: K. row_prior: >= 0; larger holds the parts closer to stripes,
            0 leaves their order to chance.
    """

    def __init__(self, channels: int, parts: int, row_prior: float) -> None:
        super().__init__()
        self.parts = parts
        self.row_prior = row_prior
        self.score = nn.Conv2d(channels, parts + 1, 1)
        nn.init.normal_(self.score.weight, std=1e-3)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, K + 1, h, w), sum 1 at every position; the last is background."""
        logits = self.score(maps)
        height = maps.shape[2]
        rows = (torch.arange(height, device=logits.device, dtype=logits.dtype) + 0.5) / height
        part = torch.arange(self.parts, device=logits.device, dtype=logits.dtype)[:, None]
        prior = -self.row_prior * (rows * self.parts - part - 0.5).pow(2)
        prior = torch.cat([prior, torch.zeros_like(prior[:1])])
        return (logits + prior[None, :, :, None]).softmax(1)


def masked_mean(maps: Tensor, masks: Tensor) -> Tensor:
    """Mean of the positions, weighted by masks: (B, C, h, w), (B, K, h, w) -> (B, K, C)."""
    weights = masks.flatten(2)
    sums = weights @ maps.flatten(2).transpose(1, 2)
    return sums / weights.sum(2, keepdim=True).clamp(min=_TINY)


def mask_visibility(masks: Tensor, least_area: float) -> Tensor:
    """How surely each part is somewhere: (B, K, h, w) -> (B, K) in 0..1.

    sum m^2 / max(sum m, least_area * h * w): the mask's own mean where it is, near 1 for a crisp
    part and near 0 for one that is faint everywhere; less for a part that is smaller than
    `least_area`, a fraction of the picture.
    """
    area = masks.flatten(2).sum(2)
    floor = least_area * masks.shape[2] * masks.shape[3]
    return masks.pow(2).flatten(2).sum(2) / area.clamp(min=max(floor, _TINY))


def salient(maps: Tensor) -> Tensor:
    """1 where the map is stronger than its own mean, else 0; no gradient.

    ISP (Zhu et al., ECCV 2020) tells foreground from background by clustering the norms of
    the positions' vectors; a threshold at their mean does so for each picture alone.

    (B, C, h, w) -> (B, h, w).
    """
    norms = maps.detach().pow(2).sum(1).clamp(min=_TINY).sqrt()
    return (norms > norms.mean((1, 2), keepdim=True)).to(maps.dtype)
