"""The weighted loss terms of one training batch."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from reid.network import Outputs, ReidNetwork, Targets
from reid.terms.base import Facts, Term
from reid.terms.registry import TermConfig


class Criterion(nn.Module):
    """All terms with a weight; their own parameters are trained with the network's.

    Args:
        losses: terms by name, as the YAML lists them. A term that learns from a teacher is left
            out where `facts` knows of none.
    """

    def __init__(self, losses: Mapping[str, TermConfig], network: ReidNetwork, facts: Facts):
        super().__init__()
        active = {
            name: term
            for name, term in losses.items()
            if term.weight and (facts.teacher_dim is not None or "teacher" not in term.needs_data)
        }
        self.weights = {name: term.weight for name, term in active.items()}
        self.terms = nn.ModuleDict(
            {name: term.build(network, facts) for name, term in active.items()}
        )

    def forward(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Weighted terms by name.

        The first len(targets.labels) rows of `outputs` are labelled; teachers describe all.
        """
        labelled = outputs.first(len(targets.labels))
        found: dict[str, Tensor] = {}
        for name, term in self.terms.items():
            assert isinstance(term, Term)
            seen = outputs if term.all_pictures else labelled
            found[name] = self.weights[name] * term(seen, targets)
        return found
