"""Metric losses: any loss over any distance of pairs that any rule mines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from reid.losses.contrastive import contrastive
from reid.losses.improved_triplet import improved_triplet
from reid.losses.quadruplet import absolute_quadruplet, quadruplet
from reid.losses.triplet import triplet
from reid.miners.all_pairs import all_pairs
from reid.miners.base import Miner, PairSelection, pick
from reid.miners.batch_all import batch_all
from reid.miners.batch_hard import batch_hard
from reid.miners.margin_sample import margin_sample
from reid.miners.opposite_pairs import Rule, opposite_pairs
from reid.miners.random_triplets import random_triplets
from reid.miners.soft_hard import soft_hard
from reid.network import Branch, Outputs, ReidNetwork, Targets
from reid.pairwise import (
    aligned_distances,
    cosine_distances,
    euclidean_distances,
    squared_euclidean_distances,
)
from reid.terms.base import Branches, Facts, Term, TermSection, weighted_branches

LossName = Literal[
    "contrastive", "triplet", "improved_triplet", "quadruplet", "absolute_quadruplet"
]
MinerName = Literal["batch_hard", "batch_all", "soft_hard", "margin_sample", "all_pairs", "random"]
DistanceName = Literal["euclidean", "squared_euclidean", "cosine", "aligned"]


def _random(distances: Tensor, labels: Tensor) -> PairSelection:
    """Chance is torch's global generator, which training seeds anew at each step."""
    return random_triplets(distances, labels, generator=torch.default_generator)


_MINERS: dict[str, Miner] = {
    "batch_hard": batch_hard,
    "batch_all": batch_all,
    "soft_hard": soft_hard,
    "margin_sample": margin_sample,
    "all_pairs": all_pairs,
    "random": _random,
}
_DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {
    "euclidean": euclidean_distances,
    "squared_euclidean": squared_euclidean_distances,
    "cosine": cosine_distances,
}
_QUADRUPLETS = ("quadruplet", "absolute_quadruplet")
_GIVE_TRIPLETS = ("batch_hard", "batch_all", "random")


class MetricTermConfig(TermSection):
    """A metric loss.

    Attributes:
        loss, miner, distance: by name. mined_by: the distance that chooses the pairs; default
            `distance`. AlignedReID mines by the Euclidean distance of the global vectors and
            measures by the aligned distance of the parts.
        margin: alpha; None takes softplus instead of a margin (triplet alone).
        beta: second margin of improved_triplet and the quadruplets.
        opposite: the quadruplets' second negative pair: "hardest" keeps the triplet's negative,
            "hardest_pair" takes the nearest pair of two identities other than the anchor's.
        features: the branch's vector before ("metric") or after the neck.
        branches: weights of branches by name, default all with 1. The parts belong to the picture:
            the aligned distance counts once, with the first of these alone, which may mine.
    """

    kind: Literal["metric"] = "metric"
    loss: LossName = "triplet"
    miner: MinerName = "batch_hard"
    distance: DistanceName = "euclidean"
    mined_by: Literal["euclidean", "squared_euclidean", "cosine"] | None = None
    margin: float | None = Field(default=0.3, ge=0)
    beta: float = Field(default=0.1, ge=0)
    opposite: Rule = "hardest"
    features: Literal["metric", "neck"] = "metric"
    branches: Branches = None

    @property
    def identities(self) -> int:
        """A quadruplet is of three."""
        return 3 if self.loss in _QUADRUPLETS else 2

    @property
    def wanted(self) -> frozenset[str]:
        """Parts for the aligned distance."""
        return frozenset({"parts"} if self.distance == "aligned" else ())

    @model_validator(mode="after")
    def _check_combination(self) -> MetricTermConfig:
        if self.miner == "all_pairs" and self.loss != "contrastive":
            raise ValueError(f"miner all_pairs gives pairs; loss {self.loss} needs triplets")
        if self.loss in _QUADRUPLETS and self.miner not in _GIVE_TRIPLETS:
            raise ValueError(
                f"loss {self.loss} needs triplets to complete; miner {self.miner} gives none"
            )
        if self.loss not in _QUADRUPLETS and self.opposite != "hardest":
            raise ValueError(
                f"opposite {self.opposite} is for quadruplets; loss {self.loss} is none"
            )
        if self.margin is None and self.loss != "triplet":
            raise ValueError(f"loss {self.loss} needs a margin; triplet alone can do without")
        if self.distance == "aligned" and self.mined_by is None and self.miner == "batch_all":
            raise ValueError("distance aligned with miner batch_all needs mined_by")
        return self

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term."""
        return MetricTerm(self)


class MetricTerm(Term):
    """Sum over branches of loss(pairs mined by one distance, measured by another).

    The aligned distance is one of the picture's parts, not of a branch: it is taken once.
    """

    def __init__(self, config: MetricTermConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        branches = list(weighted_branches(outputs, self.config.branches))
        if self.config.distance == "aligned":
            branches = branches[:1]
        losses = [
            weight * self._of_branch(branch, outputs, targets.labels) for branch, weight in branches
        ]
        return torch.stack(losses).sum()

    def _of_branch(self, branch: Branch, outputs: Outputs, labels: Tensor) -> Tensor:
        config = self.config
        features = branch.metric if config.features == "metric" else branch.neck
        if config.distance == "aligned":
            assert outputs.parts is not None
            measured = aligned_distances(outputs.parts)
        else:
            measured = _DISTANCES[config.distance](features)
        mining = measured
        if config.mined_by is not None:
            mining = _DISTANCES[config.mined_by](features)
        selection = _MINERS[config.miner](mining, labels)
        near, far = selection.gather(measured)
        if config.loss in _QUADRUPLETS:
            assert isinstance(selection, PairSelection)
            other = opposite_pairs(selection, mining, labels, config.opposite)
            return self._quadruplet(near, far, pick(measured, other))
        if config.loss == "contrastive":
            return contrastive(near, far, config.margin or 0.0)
        if config.loss == "improved_triplet":
            return improved_triplet(near, far, config.margin or 0.0, config.beta)
        return triplet(near, far, config.margin)

    def _quadruplet(self, near: Tensor, far: Tensor, other: Tensor) -> Tensor:
        chosen = quadruplet if self.config.loss == "quadruplet" else absolute_quadruplet
        return chosen(near, far, other, self.config.margin or 0.0, self.config.beta)
