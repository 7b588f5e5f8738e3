"""Triplet loss: an anchor nearer to its own identity than to another, by a margin.

Source: Schroff et al., "FaceNet", CVPR 2015; the soft margin is Hermans et al.,
arXiv:1703.07737, section 2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def triplet(d_pos: Tensor, d_neg: Tensor, margin: float | None) -> Tensor:
    """mean (d_pos - d_neg + margin)+, or mean log(1 + e^(d_pos - d_neg)) without a margin.

    With pairs of `batch_hard` this is TriHard, with `margin_sample` MSML.

    Args:
        d_pos, d_neg: (T,) distances of the anchors to their positives and negatives.
        margin: larger pushes identities further apart; None takes the soft margin, which never
            stops pushing.
    """
    gap = d_pos - d_neg
    return F.softplus(gap).mean() if margin is None else torch.relu(gap + margin).mean()
