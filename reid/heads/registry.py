"""All heads that a YAML can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reid.heads.aligned import AlignedConfig
from reid.heads.bdb import BDBConfig
from reid.heads.bnneck import BNNeckConfig
from reid.heads.glad import GLADConfig
from reid.heads.mgre import MGReConfig
from reid.heads.msfl import MSFLConfig
from reid.heads.pmm import PMMConfig
from reid.heads.spindle import SpindleConfig

HeadConfig = Annotated[
    AlignedConfig
    | BDBConfig
    | BNNeckConfig
    | GLADConfig
    | MGReConfig
    | MSFLConfig
    | PMMConfig
    | SpindleConfig,
    Field(discriminator="name"),
]
