"""Mutual learning: two students in training are each other's teacher.

Sources: Zhang et al., "Deep Mutual Learning", arXiv:1706.00384; the metric form is Zhang et al.,
"AlignedReID", arXiv:1711.08184. Of K students each learns from the mean over the others: take the
sum over all pairs divided by K - 1.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from reid.precision import at_least_float32


def mutual_kl(logits_a: Tensor, logits_b: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(p_b || p_a) + KL(p_a || p_b), means over the batch; the first p of each is a constant.

    Args:
        logits_a, logits_b: (B, K) of the two students for the same images.
        temperature: divides the logits; larger makes the small classes count more. The sum is
            multiplied by its square, so that gradients keep their size (Hinton et al., 2015).

    Raises:
        ValueError: the temperature is not positive.
    """
    if temperature <= 0:
        raise ValueError(f"mutual_kl: temperature {temperature} is not positive")
    log_a = (at_least_float32(logits_a) / temperature).log_softmax(1)
    log_b = (at_least_float32(logits_b) / temperature).log_softmax(1)
    return (_divergence(log_b, log_a) + _divergence(log_a, log_b)) * temperature**2


def metric_mutual(distances_a: Tensor, distances_b: Tensor) -> Tensor:
    """(1 / N^2) sum_ij [ZG(a_ij) - b_ij]^2 + [a_ij - ZG(b_ij)]^2, ZG = stop the gradient.

    Args:
        distances_a, distances_b: (N, N) of the two students for the same batch.
    """
    for_b = F.mse_loss(distances_b, distances_a.detach())
    return for_b + F.mse_loss(distances_a, distances_b.detach())


def _divergence(log_target: Tensor, log_student: Tensor) -> Tensor:
    """Mean over the batch of KL(target || student), the target being constant."""
    return F.kl_div(log_student, log_target.detach(), reduction="batchmean", log_target=True)
