"""Terms about the body: where its regions are, and what it wears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from reid.data.attributes import ATTRIBUTES
from reid.errors import ReidError
from reid.losses.attributes import weighted_attribute_loss
from reid.losses.location import location_loss
from reid.losses.part_masks import part_mask_loss
from reid.network import Outputs, ReidNetwork, Targets
from reid.terms.base import Facts, Term, TermSection


class LocationTermConfig(TermSection):
    """Predicted boxes of body regions must hold the joints (MGRe, equation 3).

    `margin` is the room around the joints as a fraction of the picture.
    """

    needs = frozenset({"boxes"})
    needs_data = frozenset({"joints"})

    kind: Literal["location"] = "location"
    margin: float = Field(default=0.05, ge=0, lt=0.5)

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term.

        Raises:
            ReidError: the head does not say which joints its boxes hold.
        """
        regions = getattr(network.head, "regions", None)
        if regions is None:
            raise ReidError("losses.location: the head does not say which joints its boxes hold")
        return LocationTerm(self, tuple(tuple(region) for region in regions))


class LocationTerm(Term):
    """Squared differences of the corners, mean over pictures."""

    def __init__(self, config: LocationTermConfig, regions: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.config, self.regions = config, regions

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        assert targets.joints is not None
        boxes = outputs.extras["boxes"]
        joints = targets.joints[: len(boxes)]
        return location_loss(boxes, joints, self.regions, self.config.margin)


class AttributeTermConfig(TermSection):
    """Clothing and belongings, rare values weighted up (ACRN's weighted cross-entropy)."""

    needs = frozenset({"attributes"})
    needs_data = frozenset({"attributes"})

    kind: Literal["attributes"] = "attributes"

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term, which knows how frequent each attribute is.

        Raises:
            ReidError: the head does not name its attributes, or none of them is one that some
                pictures have and others do not.
        """
        names = getattr(network.head, "attributes", None)
        if names is None:
            raise ReidError("losses.attributes: the head does not say which attributes it tells")
        return AttributeTerm(names, facts.attribute_share or ())


class AttributeTerm(Term):
    """Sum over attributes of the weighted binary cross-entropy, mean over pictures.

    Attributes that all or none of the training pictures have are left out.

    Args:
        names: of the head's attributes, some of `ATTRIBUTES`.
        share: (A,) of all `ATTRIBUTES`, as the data set has them.
    """

    share: Tensor
    heads: Tensor
    columns: Tensor

    def __init__(self, names: Sequence[str], share: tuple[float, ...]) -> None:
        super().__init__()
        known = [(head, ATTRIBUTES.index(name)) for head, name in enumerate(names)]
        pairs = [(head, column) for head, column in known if 0 < share[column] < 1]
        if not pairs:
            raise ReidError("losses.attributes: no attribute tells pictures apart")
        self.register_buffer("heads", torch.tensor([head for head, _ in pairs]))
        self.register_buffer("columns", torch.tensor([column for _, column in pairs]))
        self.register_buffer("share", torch.tensor([share[column] for _, column in pairs]))

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        assert targets.attributes is not None
        logits = outputs.extras["attributes"][:, self.heads]
        return weighted_attribute_loss(logits, targets.attributes[:, self.columns], self.share)


class PartMaskTermConfig(TermSection):
    """Keeps learned part masks apart, alive and on the person; see `part_mask_loss`."""

    needs = frozenset({"part_masks", "saliency"})

    kind: Literal["part_masks"] = "part_masks"
    overlap: float = Field(default=1.0, ge=0)
    starvation: float = Field(default=1.0, ge=0)
    foreground: float = Field(default=0.5, ge=0)

    def build(self, network: ReidNetwork, facts: Facts) -> Term:
        """The term."""
        return PartMaskTerm(self)


class PartMaskTerm(Term):
    """Weighted sum of overlap, starvation and foreground terms."""

    def __init__(self, config: PartMaskTermConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        config = self.config
        return part_mask_loss(
            outputs.extras["part_masks"],
            outputs.extras["saliency"],
            config.overlap,
            config.starvation,
            config.foreground,
        )
