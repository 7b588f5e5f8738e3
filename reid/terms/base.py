"""What every loss term of a YAML offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from reid.errors import ReidError
from reid.network import Branch, Outputs, Targets
from reid.section import Section


@dataclass(frozen=True)
class Facts:
    """What the terms must know of the training data.

    Attributes:
        identities: how many there are.
        teacher_dim: length of the teacher's features, or None without one.
        attribute_share: share of pictures with each attribute, 0..1, or None without attributes.
    """

    identities: int
    teacher_dim: int | None = None
    attribute_share: tuple[float, ...] | None = None


class Term(nn.Module, ABC):
    """A scalar loss of a batch; may have parameters of its own, which are trained too.

    Attributes:
        all_pictures: whether it gets the unlabelled pictures of a batch, too.
    """

    all_pictures: ClassVar[bool] = False

    @abstractmethod
    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """The loss, without its weight."""


Branches = Annotated[dict[str, Annotated[float, Field(ge=0)]], Field(min_length=1)] | None
"""Weights of branches by name; None: all with 1."""


class TermSection(Section):
    """What all terms' sections share: `weight` multiplies the loss; 0 switches it off.

    Attributes:
        needs: what the head must give (see a head's `gives`).
        needs_data: what the data set must have: "joints", "attributes" or "teacher".
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_data: ClassVar[frozenset[str]] = frozenset()

    weight: float = Field(default=1.0, ge=0)

    @property
    def named_branches(self) -> Branches:
        """The branches that the settings name, of terms that look at branches."""
        return getattr(self, "branches", None)

    @property
    def identities(self) -> int:
        """How many a batch must have at least."""
        return 2

    @property
    def wanted(self) -> frozenset[str]:
        """`needs`, as far as it depends on the settings."""
        return self.needs


def weighted_branches(outputs: Outputs, weights: Branches) -> Iterable[tuple[Branch, float]]:
    """The branches that a term looks at, each with its weight; all with 1 by default.

    Raises:
        ReidError: a name that the head does not have.
    """
    if weights is None:
        return [(branch, 1.0) for branch in outputs.branches.values()]
    check_branches(outputs.branches, weights)
    return [(outputs.branches[name], weight) for name, weight in weights.items()]


def check_branches(branches: Mapping[str, Branch], weights: Mapping[str, float]) -> None:
    """Refuse names of branches that are not there.

    Raises:
        ReidError: one of `weights` is not in `branches`.
    """
    for name in weights:
        if name not in branches:
            raise ReidError(f"losses: no branch {name!r}; the head has {', '.join(branches)}")
