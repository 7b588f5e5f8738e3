"""Multi-scale gradient regulariser (MSGR): small changes of feature maps shall not raise the loss.

Source: "MSFL + MSGR" (multi-scale feature learning with a multi-scale gradient regulariser),
section III-B, equation 4: min over theta of L + epsilon ||dL/dF_s||, for the maps F_s of several
stages; the paper takes epsilon = 0.01 and the 2-norm, for the outputs of stages 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import torch
from torch import Tensor

from reid.precision import at_least_float32


def gradient_penalty(
    loss: Tensor, maps: Sequence[Tensor], epsilon: float = 1e-2, norm: float = 2
) -> Tensor:
    """epsilon * sum over the maps of the mean over samples of ||B dL/dF_b||, to add to `loss`.

    `loss` is a mean over B samples, so that its gradient in one sample's map is 1 / B of that
    sample's own; multiplied by B, the penalty does not depend on the batch size. It can
    be differentiated again (double backward).

    Args:
        loss: scalar, the mean loss of the batch.
        maps: tensors of B samples each, (B, ...), from which the loss was computed: feature maps,
            or input images with requires_grad.
        epsilon: weight; larger makes the loss flatter and the fit weaker.
        norm: 1, 2 or inf.

    Raises:
        ValueError: no map, another norm, or a map that the loss does not depend on.
    """
    if not maps:
        raise ValueError("gradient_penalty needs at least one map")
    if norm not in (1, 2, inf):
        raise ValueError(f"gradient_penalty: norm {norm} is not 1, 2 or inf")
    total = loss.new_zeros(())
    for index, gradient in enumerate(_gradients(loss, maps)):
        if gradient is None:
            raise ValueError(f"gradient_penalty: the loss does not depend on maps[{index}]")
        own = at_least_float32(gradient).flatten(1) * len(gradient)
        total = total + torch.linalg.vector_norm(own, norm, dim=1).mean()
    return epsilon * total


def _gradients(loss: Tensor, maps: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """dL/dF of each map, with a graph; None where F is no part of the loss."""
    tracked = [one for one in maps if one.requires_grad]
    found = (
        torch.autograd.grad(loss, tracked, create_graph=True, allow_unused=True) if tracked else ()
    )
    rest = iter(found)
    return [next(rest) if one.requires_grad else None for one in maps]
