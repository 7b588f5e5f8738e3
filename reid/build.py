"""From a configuration to a network."""

from __future__ import annotations

from reid.backbones.osnet import OSNet
from reid.config import ModelConfig
from reid.models.aligned import AlignedReID


def build_model(config: ModelConfig, identities: int = 0) -> AlignedReID:
    """The network of `config`; `identities` > 0 adds a classifier for training."""
    trunk = OSNet(config.width, instance_norm=config.instance_norm)
    return AlignedReID(
        trunk,
        global_dim=config.global_dim,
        part_count=config.part_count,
        part_dim=config.part_dim,
        identities=identities,
    )
