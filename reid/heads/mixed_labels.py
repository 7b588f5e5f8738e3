"""Whom mixed pictures show, and by which share (CutMix, Yun et al., ICCV 2019, equation 1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reid.heads.feature_mix import Mixed


def mixed_labels(
    labels: Tensor, shares: Tensor, partner: Tensor, share: Tensor
) -> tuple[Tensor, Tensor]:
    """The labels of pictures that are mixed once more: (1 - s) of their own, s of the partner's.

    Args:
        labels, shares: (B, M) whose picture each is by which share.
        partner, share: (B,) each, of the mix.

    Returns:
        labels and shares, (B, 2 M); the shares of a row sum to 1 if they did before.
    """
    own = shares * (1 - share[:, None])
    foreign = shares[partner] * share[:, None]
    return torch.cat([labels, labels[partner]], 1), torch.cat([own, foreign], 1)


def label_extras(
    labels: Tensor, mixes: Sequence[Mixed], stages: int, like: Tensor
) -> dict[str, Tensor]:
    """The labels of all stages, of which the first sees pictures unmixed.

    Args:
        labels: (L,) int64 of the first L pictures. mixes: what happened to them before stage 2, 3
            and so on; fewer than `stages` - 1 where nothing more was mixed.
        like: (B, ...) gives number of pictures, device and dtype (at least float32).

    Returns:
        "mixed_labels" (B, stages, M) int64 and "mixed_share" (B, stages, M), M = 2^(stages - 1);
        a place that is not needed, and every unlabelled picture, has share 0 (and label 0).
    """
    dtype = like.dtype if like.dtype.itemsize >= 4 else torch.float32
    width = 2 ** (stages - 1)
    names = labels.new_zeros(len(like), stages, width)
    shares = torch.zeros(len(like), stages, width, dtype=dtype, device=like.device)
    who, by = labels[:, None], torch.ones(len(labels), 1, dtype=dtype, device=like.device)
    for stage in range(stages):
        if 0 < stage <= len(mixes):
            who, by = mixed_labels(who, by, mixes[stage - 1].partner, mixes[stage - 1].share)
        names[: len(labels), stage, : who.shape[1]] = who
        shares[: len(labels), stage, : by.shape[1]] = by
    return {"mixed_labels": names, "mixed_share": shares}
