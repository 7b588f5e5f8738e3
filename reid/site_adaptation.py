"""Fits a network's batch statistics to a site, without labels.

Batch normalisation remembers the mean and variance that every channel had on the training
pictures. Another site's light, lenses and compression shift them, and the network then works
off its best point. AdaBN (Li et al., "Revisiting Batch Normalization For Practical Domain
Adaptation", 2016) measures them anew on the site's own pictures; no other weight changes.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reid.errors import ReidError
from reid.network import ReidNetwork

MIN_CROPS = 96
"""Fewer crops than this do not tell the statistics of a site."""

_BATCH = 64


def adapt_batch_statistics(
    model: ReidNetwork, pictures: NDArray[np.float32], *, seed: int = 0
) -> ReidNetwork:
    """A copy of `model` whose batch statistics are those of the site.

    Args:
        model: in evaluation mode.
        pictures: (N, 3, H, W) preprocessed crops, as `Embedder.preprocess` makes them.
        seed: of the order in which batches are formed.

    Raises:
        ReidError: fewer than MIN_CROPS pictures.
    """
    if len(pictures) < MIN_CROPS:
        raise ReidError(f"{len(pictures)} crops do not describe a site; {MIN_CROPS} are needed")
    adapted = copy.deepcopy(model)
    for layer in adapted.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # the plain mean over all batches
            layer.train()
    order = np.random.default_rng(seed).permutation(len(pictures))
    count = max(len(order) // _BATCH, 1)
    with torch.inference_mode():
        for rows in np.array_split(order, count):
            adapted(torch.from_numpy(np.ascontiguousarray(pictures[rows])))
    return adapted.eval()
