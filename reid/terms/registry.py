"""All loss terms that a YAML can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reid.terms.attribute_triplet import AttributeTripletConfig
from reid.terms.body import AttributeTermConfig, LocationTermConfig, PartMaskTermConfig
from reid.terms.identity import (
    IdentityTermConfig,
    MixedIdentityTermConfig,
    PartIdentityTermConfig,
)
from reid.terms.metric import MetricTermConfig
from reid.terms.teaching import (
    DarkRankConfig,
    DistilFeatureConfig,
    DistilPartsConfig,
    DistilSimilarityConfig,
)

TermConfig = Annotated[
    IdentityTermConfig
    | PartIdentityTermConfig
    | MixedIdentityTermConfig
    | MetricTermConfig
    | LocationTermConfig
    | PartMaskTermConfig
    | AttributeTermConfig
    | AttributeTripletConfig
    | DistilFeatureConfig
    | DistilSimilarityConfig
    | DistilPartsConfig
    | DarkRankConfig,
    Field(discriminator="kind"),
]
