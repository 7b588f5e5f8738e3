"""Terms about the body: where its regions are, and what it wears."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

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
            ReidError: no attribute that some pictures have and others do not.
        """
        return AttributeTerm(facts.attribute_share or ())


class AttributeTerm(Term):
    """Sum over attributes of the weighted binary cross-entropy, mean over pictures.

    Attributes that all or none of the training pictures have are left out.
    """

    share: Tensor
    columns: Tensor

    def __init__(self, share: tuple[float, ...]) -> None:
        super().__init__()
        columns = [column for column, value in enumerate(share) if 0 < value < 1]
        if not columns:
            raise ReidError("losses.attributes: no attribute tells pictures apart")
        self.register_buffer("columns", torch.tensor(columns))
        self.register_buffer("share", torch.tensor([share[column] for column in columns]))

    def forward(self, outputs: Outputs, targets: Targets) -> Tensor:
        """Scalar."""
        assert targets.attributes is not None
        logits = outputs.extras["attributes"][:, self.columns]
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
