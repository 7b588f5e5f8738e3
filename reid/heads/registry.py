"""All heads that a YAML can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reid.heads.acrn import ACRNConfig
from reid.heads.aligned import AlignedConfig
from reid.heads.bdb import BDBConfig
from reid.heads.bnneck import BNNeckConfig
from reid.heads.can import CANConfig
from reid.heads.glad import GLADConfig
from reid.heads.lstm_fusion import LSTMFusionConfig
from reid.heads.mgre import MGReConfig
from reid.heads.msfl import MSFLConfig
from reid.heads.pgr import PGRConfig
from reid.heads.pl_net import PLNetConfig
from reid.heads.pmm import PMMConfig
from reid.heads.spindle import SpindleConfig

HeadConfig = Annotated[
    ACRNConfig
    | AlignedConfig
    | BDBConfig
    | BNNeckConfig
    | CANConfig
    | GLADConfig
    | LSTMFusionConfig
    | MGReConfig
    | MSFLConfig
    | PGRConfig
    | PLNetConfig
    | PMMConfig
    | SpindleConfig,
    Field(discriminator="name"),
]
