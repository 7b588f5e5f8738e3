"""Contrastive loss: positive pairs together, negative pairs at least a margin apart.

Source: Hadsell et al., "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006,
in the form of the Megvii slides (2017), linear in the distance.
"""

from __future__ import annotations

import torch
from torch import Tensor


def contrastive(d_pos: Tensor, d_neg: Tensor, margin: float) -> Tensor:
    """mean d_pos + mean (margin - d_neg)+.

    Each kind of pair has its own mean, because a batch has many more negative pairs.

    Args:
        d_pos: (T,) distances within an identity. d_neg: (T',) between identities.
        margin: negative pairs farther apart are left alone; larger spreads the identities more.
    """
    return d_pos.mean() + torch.relu(margin - d_neg).mean()
