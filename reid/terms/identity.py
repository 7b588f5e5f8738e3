"""ID loss: which of the training identities is it?"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from reid.losses.label_smoothing import label_smoothed_cross_entropy
from reid.losses.mixed_identity import mixed_identity_loss
from reid.network import Outputs, ReidNetwork, Targets
from reid.terms.base import Branches, Facts, Term, TermSection, weighted_branches


class IdentityTermConfig(TermSection):
    """`label_smoothing` is epsilon; `branches` weights branches by name, default all with 1."""

    kind: Literal["identity"] = "identity"
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    branches: Branches = None

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term."""
        return IdentityTerm(self)


class IdentityTerm(Term):
    """Sum over branches of the label-smoothed cross-entropy."""

    def __init__(self, config: IdentityTermConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        losses = [
            weight
            * label_smoothed_cross_entropy(
                branch.logits, targets.labels, self.config.label_smoothing
            )
            for branch, weight in weighted_branches(outputs, self.config.branches)
            if branch.logits is not None
        ]
        return torch.stack(losses).sum()


class PartIdentityTermConfig(TermSection):
    """ID loss of every part by itself, mean over parts; `label_smoothing` is epsilon."""

    needs = frozenset({"part_logits"})

    kind: Literal["part_identity"] = "part_identity"
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term."""
        return PartIdentityTerm(self)


class PartIdentityTerm(Term):
    """Mean over parts of the label-smoothed cross-entropy of `part_logits` (B, P, K)."""

    def __init__(self, config: PartIdentityTermConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        logits = outputs.extras["part_logits"]
        labels = targets.labels[:, None].expand(logits.shape[:2])
        return label_smoothed_cross_entropy(
            logits.flatten(0, 1), labels.flatten(), self.config.label_smoothing
        )


class MixedIdentityTermConfig(TermSection):
    """ID loss where a head mixed pictures of several identities: labels count by their share."""

    needs = frozenset({"mixed_labels", "mixed_share"})

    kind: Literal["mixed_identity"] = "mixed_identity"
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term."""
        return MixedIdentityTerm(self)


class MixedIdentityTerm(Term):
    """Sum over the branches, in their order, of the cross-entropy with mixed labels.

    `mixed_labels` and `mixed_share` are (B, branches, labels per picture).
    """

    def __init__(self, config: MixedIdentityTermConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        labels, shares = outputs.extras["mixed_labels"], outputs.extras["mixed_share"]
        losses = [
            mixed_identity_loss(
                branch.logits, labels[:, k], shares[:, k], self.config.label_smoothing
            )
            for k, branch in enumerate(outputs.branches.values())
            if branch.logits is not None
        ]
        return torch.stack(losses).sum()
