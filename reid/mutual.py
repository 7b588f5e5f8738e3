"""Mutual learning: students that are trained side by side and teach each other.

Sources: Zhang et al., "Deep Mutual Learning", CVPR 2018 (class posteriors); Zhang et al.,
"AlignedReID", arXiv:1711.08184, section 3.4 (distance matrices).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from reid.config import MutualConfig
from reid.losses.mutual import metric_mutual, mutual_kl
from reid.network import Outputs
from reid.pairwise import aligned_distances, euclidean_distances


def mutual_terms(students: Sequence[Outputs], config: MutualConfig) -> dict[str, Tensor]:
    """Weighted terms over all pairs of students, each the mean over the pairs.

    Args:
        students: what each student says about the same labelled pictures.
    """
    pairs = list(combinations(students, 2))
    terms: dict[str, Tensor] = {}
    if config.posterior:
        terms["mutual_posterior"] = config.posterior * _mean(
            [_posterior(a, b, config.temperature) for a, b in pairs]
        )
    if config.metric:
        terms["mutual_metric"] = config.metric * _mean([_metric(a, b) for a, b in pairs])
    if config.parts:
        terms["mutual_parts"] = config.parts * _mean([_parts(a, b) for a, b in pairs])
    return terms


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean()


def _posterior(a: Outputs, b: Outputs, temperature: float) -> Tensor:
    """Over the branches that both have."""
    losses = [
        mutual_kl(ours, theirs, temperature)
        for name in a.branches.keys() & b.branches.keys()
        if (ours := a.branches[name].logits) is not None
        and (theirs := b.branches[name].logits) is not None
    ]
    return _mean(losses)


def _metric(a: Outputs, b: Outputs) -> Tensor:
    losses = [
        metric_mutual(
            euclidean_distances(a.branches[name].metric),
            euclidean_distances(b.branches[name].metric),
        )
        for name in a.branches.keys() & b.branches.keys()
    ]
    return _mean(losses)


def _parts(a: Outputs, b: Outputs) -> Tensor:
    assert a.parts is not None
    assert b.parts is not None
    return metric_mutual(aligned_distances(a.parts), aligned_distances(b.parts))
