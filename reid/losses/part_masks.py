"""What keeps learned part masks apart, alive and on the person, without part labels.

The poster of PGR (Dou et al., ICASSP 2022) does not say how its masks are supervised. ISP (Zhu et
al., ECCV 2020) clusters the pixels of the whole training set before every epoch. These three
terms need the batch alone; what each part shows is left to the identity loss of the parts.
"""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-6


def mask_overlap(masks: Tensor) -> Tensor:
    """Mean cosine of any two masks of a picture: 0 where they share no position.

    Args:
        masks: (B, K + 1, h, w) in 0..1.
    """
    flat = masks.flatten(2)
    flat = flat / flat.pow(2).sum(2, keepdim=True).clamp(min=_TINY**2).sqrt()
    cosines = flat @ flat.transpose(1, 2)
    count = masks.shape[1]
    first, second = torch.triu_indices(count, count, 1, device=masks.device)
    return cosines[:, first, second].mean()


def mask_starvation(masks: Tensor, least_share: float = 0.5) -> Tensor:
    """Mean over the masks of (1 - area / least)+: 0 while each has its least area in the batch.

    Args:
        masks: (B, K + 1, h, w) whose sum is 1 at every position.
        least_share: least area as a fraction of 1 / (K + 1); larger makes the parts more equal.
    """
    least = least_share / masks.shape[1]
    return torch.relu(1 - masks.mean((0, 2, 3)) / least).mean()


def foreground_entropy(foreground: Tensor, saliency: Tensor) -> Tensor:
    """Mean of -s log f - (1 - s) log(1 - f); both (B, h, w) in 0..1."""
    sure = foreground.clamp(_TINY, 1 - _TINY)
    return -(saliency * sure.log() + (1 - saliency) * (1 - sure).log()).mean()


def part_mask_loss(
    masks: Tensor,
    saliency: Tensor,
    overlap: float = 1.0,
    starvation: float = 1.0,
    foreground: float = 0.5,
) -> Tensor:
    """Weighted sum of the three terms.

    Args:
        masks: (B, K + 1, h, w), the background last. saliency: (B, h, w), 1 on the person.
        overlap, starvation, foreground: weights; 0 switches a term off.
    """
    if masks.dtype in (torch.float16, torch.bfloat16):
        masks, saliency = masks.float(), saliency.float()
    return (
        overlap * mask_overlap(masks)
        + starvation * mask_starvation(masks)
        + foreground * foreground_entropy(1 - masks[:, -1], saliency)
    )
