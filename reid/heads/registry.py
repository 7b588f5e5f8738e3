"""All heads that a YAML can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reid.heads.aligned import AlignedConfig
from reid.heads.bdb import BDBConfig
from reid.heads.bnneck import BNNeckConfig
from reid.heads.msfl import MSFLConfig
from reid.heads.pmm import PMMConfig

HeadConfig = Annotated[
    AlignedConfig | BDBConfig | BNNeckConfig | MSFLConfig | PMMConfig, Field(discriminator="name")
]
