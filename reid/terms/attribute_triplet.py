"""ACRN's metric loss: a triplet loss that counts how far apart the attributes are, too."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from reid.losses.attributes import attribute_triplet
from reid.miners.batch_hard import batch_hard
from reid.network import Branch, Outputs, ReidNetwork, Targets
from reid.pairwise import attribute_distances, euclidean_distances
from reid.precision import at_least_float32
from reid.terms.base import Branches, Facts, Term, TermSection, weighted_branches


class AttributeTripletConfig(TermSection):
    """Triplets mined by features, measured by features and attributes; see `attribute_triplet`.

    Attributes:
        margin: between the two pairs of a triplet.
        gamma: weight of the attribute distance; 0 is the plain triplet loss.
        branches: weights of branches by name, default all with 1.
    """

    needs = frozenset({"attributes"})

    kind: Literal["attribute_triplet"] = "attribute_triplet"
    margin: float = Field(default=0.3, ge=0)
    gamma: float = Field(default=0.1, ge=0)
    branches: Branches = None

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term."""
        return AttributeTripletTerm(self)


class AttributeTripletTerm(Term):
    """Sum over branches of the attribute triplet loss of the hardest triplets.

    The hardest by the Euclidean distance of the branch's metric vectors. Attributes are compared
    by the probabilities that the head gives, not by what is annotated.
    """

    def __init__(self, config: AttributeTripletConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        worn = attribute_distances(at_least_float32(outputs.extras["attributes"]).sigmoid())
        losses = [
            weight * self._of_branch(branch, worn, targets.labels)
            for branch, weight in weighted_branches(outputs, self.config.branches)
        ]
        return torch.stack(losses).sum()

    def _of_branch(self, branch: Branch, worn: Tensor, labels: Tensor) -> Tensor:
        """`worn` is (B, B), the attribute distances."""
        distances = euclidean_distances(branch.metric)
        selection = batch_hard(distances, labels)
        near, far = selection.gather(distances)
        worn_near, worn_far = selection.gather(worn)
        config = self.config
        return attribute_triplet(near, far, worn_near, worn_far, config.margin, config.gamma)
