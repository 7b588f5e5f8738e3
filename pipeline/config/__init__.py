"""The configuration: what `cams.yaml` may say, checked before anything starts."""

from pipeline.config.address import SourceKind, display_url, source_kind
from pipeline.config.camera import CameraConfig, NeighbourConfig, Settings
from pipeline.config.load import load_config
from pipeline.config.run import RunConfig
from pipeline.config.stages import (
    AssociationConfig,
    DetectorConfig,
    EmbedderConfig,
    TrackerConfig,
    TrackletsConfig,
    TransportConfig,
    UiConfig,
    is_loopback,
)
from pipeline.errors import ConfigError

__all__ = [
    "AssociationConfig",
    "CameraConfig",
    "ConfigError",
    "DetectorConfig",
    "EmbedderConfig",
    "NeighbourConfig",
    "RunConfig",
    "Settings",
    "SourceKind",
    "TrackerConfig",
    "TrackletsConfig",
    "TransportConfig",
    "UiConfig",
    "display_url",
    "is_loopback",
    "load_config",
    "source_kind",
]
