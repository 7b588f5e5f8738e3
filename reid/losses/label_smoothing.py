"""Cross-entropy against smoothed identity labels (Szegedy et al., CVPR 2016, section 7)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from reid.precision import at_least_float32


def label_smoothed_cross_entropy(logits: Tensor, labels: Tensor, epsilon: float = 0.1) -> Tensor:
    """Mean over the batch of -sum_k q_k log p_k, q = (1 - epsilon) onehot + epsilon / K.

    Args:
        logits: (B, K). labels: (B,) int64. epsilon: in 0..1; larger trusts the labels less.
    """
    logits = at_least_float32(logits)
    return F.cross_entropy(logits, labels, label_smoothing=epsilon)
