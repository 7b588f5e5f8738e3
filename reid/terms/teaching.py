"""Terms that learn from a stronger model's features."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from reid.losses.darkrank import (
    LONGEST_SOFT_LIST,
    hard_darkrank,
    nearest_candidates,
    soft_darkrank,
)
from reid.losses.distillation import cosine_distillation, similarity_distillation
from reid.network import Outputs, ReidNetwork, Targets, unit
from reid.pairwise import euclidean_distances
from reid.precision import at_least_float32
from reid.terms.base import Facts, Term, TermSection


class _TeachingSection(TermSection):
    needs_data = frozenset({"teacher"})


class DistilFeatureConfig(_TeachingSection):
    """The embedding, mapped linearly, must point where the teacher's feature points."""

    kind: Literal["distil_feature"] = "distil_feature"

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term, with a linear map of its own."""
        return DistilFeature(network.head.embedding_dim, facts.teacher_dim or 0)


class DistilFeature(Term):
    """1 - cos(W e, t), mean over pictures; e is the embedding before it gets length 1."""

    all_pictures = True

    def __init__(self, dim: int, teacher_dim: int) -> None:
        super().__init__()
        self.map = nn.Linear(dim, teacher_dim)

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        return cosine_distillation(self.map(searched(outputs)), _teacher(targets))


class DistilSimilarityConfig(_TeachingSection):
    """Similarities inside a batch must be the teacher's."""

    kind: Literal["distil_similarity"] = "distil_similarity"

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term."""
        return DistilSimilarity()


class DistilSimilarity(Term):
    """Mean squared difference of the batch's cosine matrices."""

    all_pictures = True

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        return similarity_distillation(searched(outputs), _teacher(targets))


class DistilPartsConfig(_TeachingSection):
    """The parts together, mapped linearly, must point where the teacher's feature points."""

    needs = frozenset({"parts"})

    kind: Literal["distil_parts"] = "distil_parts"

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term, with a linear map of its own."""
        count, dim = network.head.part_shape or (0, 0)
        return DistilParts(count * dim, facts.teacher_dim or 0)


class DistilParts(Term):
    """1 - cos(W p, t), mean over pictures; p are all parts in a row."""

    all_pictures = True

    def __init__(self, dim: int, teacher_dim: int) -> None:
        super().__init__()
        self.map = nn.Linear(dim, teacher_dim)

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        assert outputs.parts is not None
        return cosine_distillation(self.map(outputs.parts.flatten(1)), _teacher(targets))


class DarkRankConfig(_TeachingSection):
    """DarkRank (Chen et al., arXiv:1707.01220): the teacher's order of a batch.

    Attributes:
        variant: hard takes the likelihood of the teacher's order; soft the divergence over all
            orders, of short lists alone.
        length: how many of the teacher's nearest pictures of the batch are ordered per query.
        alpha, beta: shape the score -alpha d^beta; see `hard_darkrank`.
    """

    kind: Literal["darkrank"] = "darkrank"
    variant: Literal["hard", "soft"] = "hard"
    length: int = Field(default=6, ge=2)
    alpha: float = Field(default=3.0, gt=0)
    beta: float = Field(default=3.0, ge=1)

    @model_validator(mode="after")
    def _check_length(self) -> DarkRankConfig:
        if self.variant == "soft" and self.length > LONGEST_SOFT_LIST:
            raise ValueError(f"variant soft orders at most {LONGEST_SOFT_LIST} pictures")
        return self

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term."""
        return DarkRank(self)


class DarkRank(Term):
    """Plackett-Luce likelihood of the teacher's order."""

    all_pictures = True

    def __init__(self, config: DarkRankConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        config = self.config
        theirs = euclidean_distances(unit(_teacher(targets)))
        ours = euclidean_distances(unit(searched(outputs)))
        near = nearest_candidates(theirs, min(config.length, len(theirs) - 1))
        chosen = hard_darkrank if config.variant == "hard" else soft_darkrank
        return chosen(ours.gather(1, near), theirs.gather(1, near), config.alpha, config.beta)


def searched(outputs: Outputs) -> Tensor:
    """(B, D): what becomes the embedding, of any length: the neck of a lone branch."""
    if len(outputs.branches) == 1:
        return at_least_float32(next(iter(outputs.branches.values())).neck)
    return outputs.embedding


def _teacher(targets: Targets) -> Tensor:
    assert targets.teacher is not None
    return targets.teacher
