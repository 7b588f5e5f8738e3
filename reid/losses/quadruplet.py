"""Quadruplet losses: beside the triplet A, A', B also the distance of B to a third identity C.

Sources: Chen et al., "Beyond triplet loss: a deep quadruplet network for person
re-identification", arXiv:1704.01719; the absolute margins are of the Megvii slides (2017). The
pairs (B, C) come from `reid.miners.opposite_pairs`. Chen et al. square the distances; here
the caller decides.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reid.losses.improved_triplet import improved_triplet
from reid.losses.triplet import triplet


def quadruplet(d_pos: Tensor, d_neg: Tensor, d_other: Tensor, alpha: float, beta: float) -> Tensor:
    """mean (d_AA' - d_AB + alpha)+ + mean (d_AA' - d_BC + beta)+.

    The second term compares a positive pair with a negative pair that shares no image with it.

    Args:
        d_pos, d_neg, d_other: (T,) distances of A to A', A to B, and B to C.
        alpha, beta: margins of the two terms; Chen et al. want beta below alpha, since the second
            comparison is the weaker demand.
    """
    return triplet(d_pos, d_neg, alpha) + triplet(d_pos, d_other, beta)


def absolute_quadruplet(
    d_pos: Tensor, d_neg: Tensor, d_other: Tensor, alpha: float, beta: float
) -> Tensor:
    """mean (d_AA' - d_AB + alpha)+ + mean (d_AA' - beta)+ + mean (alpha + beta - d_BC)+.

    Args:
        d_pos, d_neg, d_other: (T,) distances of A to A', A to B, and B to C.
        alpha: margin between positive and negative. beta: largest distance wanted within an
            identity, so that alpha + beta is the smallest wanted between two.
    """
    absolute = torch.relu(alpha + beta - d_other).mean()
    return improved_triplet(d_pos, d_neg, alpha, beta) + absolute
