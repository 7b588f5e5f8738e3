"""The weighted loss terms of one training batch."""

from __future__ import annotations

from torch import Tensor, nn

from reid.config import LossConfig
from reid.losses.distillation import cosine_distillation, similarity_distillation
from reid.losses.label_smoothing import label_smoothed_cross_entropy
from reid.losses.triplet import triplet
from reid.miners.batch_hard import batch_hard
from reid.models.aligned import Features
from reid.pairwise import aligned_distances, euclidean_distances


def batch_losses(
    features: Features,
    labels: Tensor,
    config: LossConfig,
    heads: nn.ModuleDict,
    teacher: Tensor | None,
) -> dict[str, Tensor]:
    """The weighted loss terms of one batch; only terms with a weight are computed.

    The first len(labels) rows of `features` are labelled; `teacher` describes all of them.
    """
    everything, features = features, features.first(len(labels))
    terms: dict[str, Tensor] = {}
    if config.identity and features.logits is not None:
        terms["identity"] = config.identity * label_smoothed_cross_entropy(
            features.logits, labels, config.label_smoothing
        )
    distances = euclidean_distances(features.metric)
    hardest = batch_hard(distances, labels)
    if config.trihard:
        terms["trihard"] = config.trihard * triplet(*hardest.gather(distances), config.margin)
    if config.aligned:
        aligned = hardest.gather(aligned_distances(features.parts))
        terms["aligned"] = config.aligned * triplet(*aligned, config.margin)
    if teacher is not None:
        terms |= _distillation_terms(everything, config, heads, teacher)
    return terms


def _distillation_terms(
    features: Features, config: LossConfig, heads: nn.ModuleDict, teacher: Tensor
) -> dict[str, Tensor]:
    terms: dict[str, Tensor] = {}
    if config.distil_feature:
        student = heads["global"](features.neck.float())
        terms["distil_feature"] = config.distil_feature * cosine_distillation(student, teacher)
    if config.distil_similarity:
        terms["distil_similarity"] = config.distil_similarity * similarity_distillation(
            features.neck, teacher
        )
    if config.distil_parts:
        student = heads["parts"](features.parts.float().flatten(1))
        terms["distil_parts"] = config.distil_parts * cosine_distillation(student, teacher)
    return terms
