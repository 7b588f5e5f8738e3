"""The losses of ACRN: a balanced attribute classifier, and a triplet loss that knows attributes.

Source: Schumann & Stiefelhagen, "Person Re-identification by Deep Learning
Attribute-Complementary Information", CVPR workshops 2017, in the form of the Megvii slides.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reid.precision import at_least_float32


def weighted_attribute_loss(logits: Tensor, targets: Tensor, positive_frequency: Tensor) -> Tensor:
    """Mean over the batch of -sum_l [p log q / (2 w) + (1 - p) log(1 - q) / (2 (1 - w))].

    A rare attribute's few positives weigh as much as its many negatives. (The slides leave the
    minus out.)

    Args:
        logits: (B, L), q = sigmoid(logits). targets: (B, L) p in 0..1.
        positive_frequency: (L,) w, the share of the training images that have the attribute.

    Raises:
        ValueError: a frequency is not inside 0..1, so that one side has no example.
    """
    logits = at_least_float32(logits)
    share = positive_frequency.to(logits)
    outside = ~((share > 0) & (share < 1))
    if bool(outside.any()):
        column = int(outside.nonzero()[0, 0])
        raise ValueError(
            f"weighted_attribute_loss: positive_frequency[{column}] is {float(share[column])}, "
            "not between 0 and 1; leave the attribute out"
        )
    targets = targets.to(logits)
    present = targets * F.logsigmoid(logits) / (2 * share)
    absent = (1 - targets) * F.logsigmoid(-logits) / (2 * (1 - share))
    return -(present + absent).sum(1).mean()


def attribute_triplet(
    d_pos: Tensor,
    d_neg: Tensor,
    attribute_pos: Tensor,
    attribute_neg: Tensor,
    margin: float,
    gamma: float,
) -> Tensor:
    """mean (d_pos - d_neg + margin + gamma (attribute_pos - attribute_neg))+.

    A negative that already differs in its attributes is pushed away less by the features, which
    are left to tell apart the people who look alike. (The slides leave the hinge out; without it
    the loss has no lower bound.)

    Args:
        d_pos, d_neg: (T,) feature distances. attribute_pos, attribute_neg: (T,) the same pairs
            by `attribute_distances`.
        gamma: weight of the attributes; 0 is the plain triplet loss.
    """
    gap = d_pos - d_neg + gamma * (attribute_pos - attribute_neg)
    return torch.relu(gap + margin).mean()
