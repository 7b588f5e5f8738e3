"""ID loss of pictures that are mixed from several people (CutMix, Yun et al., ICCV 2019)."""

from __future__ import annotations

import torch
from torch import Tensor


def mixed_identity_loss(
    logits: Tensor, labels: Tensor, shares: Tensor, epsilon: float = 0.0
) -> Tensor:
    """Mean over the batch of sum_m share_m CE(logits, label_m); 0-d, at least float32.

    With one label of share 1 it is the label-smoothed cross-entropy. Each CE is against
    q = (1 - epsilon) onehot + epsilon / K.

    Args:
        logits: (B, K). labels: (B, M) int64 of whom a picture shows. shares: (B, M) by how much;
            each row sums to 1. epsilon: label smoothing in 0..1.
    """
    wide = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    log_p = wide.log_softmax(1)
    own = log_p.gather(1, labels)
    per_label = (1 - epsilon) * own + epsilon * log_p.mean(1, keepdim=True)
    return -(shares.to(log_p.dtype) * per_label).sum(1).mean()
