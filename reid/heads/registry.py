"""All heads that a YAML can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reid.heads.aligned import AlignedConfig
from reid.heads.bnneck import BNNeckConfig

HeadConfig = Annotated[AlignedConfig | BNNeckConfig, Field(discriminator="name")]
