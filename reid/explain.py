"""Pictures of what a network looks at.

`activation_map` shows where its maps are strong, `class_activation` where one identity is
recognised; both in the size of the map, to be enlarged over the picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reid.errors import ReidError
from reid.heads.grad_cam import grad_cam, stretched
from reid.network import Maps, ReidNetwork


def activation_map(network: ReidNetwork, images: Tensor, *, stage: int = -1) -> Tensor:
    """(B, 3, H, W) normalised RGB -> (B, h, w) in 0..1: sum over channels of |map|, stretched.

    Source: MSFL, section IV-C and figure 3. Its "spatial normalisation" is taken to mean that
    each picture runs from 0 to 1.

    Args:
        stage: which of the backbone's four maps, from 0; default the coarsest.

    Raises:
        ValueError: the network is in training mode.
    """
    _refuse_training(network)
    with torch.no_grad():
        chosen = network.backbone.stages(images)[stage]
    return stretched(chosen.abs().sum(1))


def class_activation(
    network: ReidNetwork,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    joints: Tensor | None = None,
) -> Tensor:
    """(B, 3, H, W) normalised RGB -> (B, h, w) in 0..1: Grad-CAM of the coarsest stage.

    The class score is the sum of the logits of all branches that have a classifier.

    Args:
        labels: (B,) identities of the classifier; default: the ones with the highest score (PMM's
            figure 4). joints: (B, J, 2) for heads that need them.

    Raises:
        ReidError: no branch has a classifier, as in weights for search.
        ValueError: the network is in training mode.
    """
    _refuse_training(network)
    with torch.no_grad():
        stages = network.backbone.stages(images)
    with torch.enable_grad():
        coarse = stages[-1].clone().requires_grad_()
        stages = (*stages[:-1], coarse)
        found = network.head(Maps(images, stages, network.backbone.final_map(stages), joints))
        scores = [b.logits for b in found.branches.values() if b.logits is not None]
        if not scores:
            raise ReidError(
                "these weights have no classifier to explain (they are for search): "
                "use activation_map, or a training checkpoint"
            )
        score = torch.stack(scores).sum(0)
        chosen = score.argmax(1) if labels is None else labels
        return stretched(grad_cam(coarse, score, chosen))


def _refuse_training(network: ReidNetwork) -> None:
    if network.training:
        raise ValueError("the network is in training mode: call eval() first")
