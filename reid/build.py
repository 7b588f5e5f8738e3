"""From a configuration to a network."""

from __future__ import annotations

from reid.config import ModelConfig
from reid.network import ReidNetwork


def build_model(config: ModelConfig, identities: int = 0) -> ReidNetwork:
    """The network of `config`; `identities` > 0 adds classifiers for training.

    Raises:
        ReidError: the head cannot work on this backbone.
    """
    trunk = config.backbone.build()
    return ReidNetwork(trunk, config.head.build(trunk, identities))
