"""Grad-CAM: where on a map a class is recognised.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017, equations 1 and 2.
"""

from __future__ import annotations

import torch
from torch import Tensor


def grad_cam(maps: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """(B, h, w) >= 0, at least float32, without gradient: relu(sum_c a_c A_c).

    a_c = mean over h, w of d logit_label / d A_c. The graph stays as it is, so the loss can go
    back through it afterwards, and no `.grad` changes. The gradient is that of the sum over the
    batch of the labels' logits: with batch normalisation in training mode pictures see each
    other through it.

    Args:
        maps: (B, C, h, w), what `logits` were computed from. logits: (B, K) or more rows, of
            which the first count. labels: (L,) int64 for the first L of B rows; then L results.

    Raises:
        ValueError: no graph leads from `logits` to `maps`, as under torch.no_grad().
    """
    if not logits.requires_grad or not maps.requires_grad:
        raise ValueError("Grad-CAM needs the graph of the logits: not under torch.no_grad()")
    count = len(labels)
    score = logits[:count].gather(1, labels[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, maps, retain_graph=True)
    slopes = _wide(gradient[:count]).mean((2, 3), keepdim=True)
    return torch.relu((slopes * _wide(maps.detach()[:count])).sum(1))


def stretched(pictures: Tensor) -> Tensor:
    """(B, h, w) -> the same in 0..1: each from its least to its largest value; flat ones are 0."""
    flat = _wide(pictures).flatten(1)
    low = flat.amin(1, keepdim=True)
    span = flat.amax(1, keepdim=True) - low
    scaled = (flat - low) / torch.where(span > 0, span, torch.ones_like(span))
    return scaled.view_as(pictures)


def _wide(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
