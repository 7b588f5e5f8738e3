"""Improved triplet loss: a triplet loss that also bounds the distance within an identity.

Source: Cheng et al., "Person Re-Identification by Multi-Channel Parts-Based CNN with Improved
Triplet Loss Function", CVPR 2016, in the form of the Megvii slides (2017).
"""

from __future__ import annotations

import torch
from torch import Tensor

from reid.losses.triplet import triplet


def improved_triplet(d_pos: Tensor, d_neg: Tensor, margin: float, beta: float) -> Tensor:
    """mean (d_pos - d_neg + margin)+ + mean (d_pos - beta)+.

    Args:
        d_pos, d_neg: (T,) distances of the anchors to their positives and negatives.
        margin: of the triplet. beta: positives nearer than this are left alone; smaller makes
            identities tighter.
    """
    return triplet(d_pos, d_neg, margin) + torch.relu(d_pos - beta).mean()
