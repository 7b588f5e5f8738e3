"""All heads that a YAML can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reid.heads.acrn import ACRNConfig
from reid.heads.aligned import AlignedConfig
from reid.heads.bnneck import BNNeckConfig
from reid.heads.can import CANConfig
from reid.heads.lstm_fusion import LSTMFusionConfig
from reid.heads.pgr import PGRConfig
from reid.heads.pl_net import PLNetConfig

HeadConfig = Annotated[
    ACRNConfig
    | AlignedConfig
    | BNNeckConfig
    | CANConfig
    | LSTMFusionConfig
    | PGRConfig
    | PLNetConfig,
    Field(discriminator="name"),
]
