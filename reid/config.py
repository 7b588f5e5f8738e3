"""One YAML per ReID system, validated: an unknown key or a wrong value is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reid.errors import ReidError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(_Section):
    """What the network looks like.

    Attributes:
        backbone: trunk by name. width: channel multiplier.
        instance_norm: see OSNet. global_dim, part_count, part_dim: see AlignedReID.
    """

    backbone: Literal["osnet"] = "osnet"
    width: float = Field(0.25, gt=0, le=4)
    instance_norm: bool = True
    global_dim: int = Field(512, ge=8, le=4096)
    part_count: int = Field(8, ge=1, le=16)
    part_dim: int = Field(64, ge=4, le=512)


class PhaseConfig(_Section):
    """Steps at one resolution; small pictures first make from-scratch training cheap."""

    steps: int = Field(ge=1)
    size_hw: tuple[int, int]


class LossConfig(_Section):
    """Weights of the loss terms; 0 switches a term off. `margin` is TriHard's."""

    identity: float = Field(1.0, ge=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    trihard: float = Field(1.0, ge=0)
    aligned: float = Field(1.0, ge=0)
    margin: float = Field(0.3, ge=0)
    distil_feature: float = Field(0.0, ge=0)
    distil_similarity: float = Field(0.0, ge=0)
    distil_parts: float = Field(0.0, ge=0)


class TrainConfig(_Section):
    """The schedule. `ema` is the decay per step of the averaged weights that are evaluated."""

    phases: tuple[PhaseConfig, ...]
    identities_per_batch: int = Field(16, ge=2)
    images_per_identity: int = Field(4, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    warmup_steps: int = Field(300, ge=0)
    ema: float = Field(0.998, ge=0, lt=1)
    seed: int = 0
    checkpoint_every: int = Field(250, ge=1)


class ReidConfig(_Section):
    """A whole system: model, losses, schedule, and the picture size it is used at."""

    name: str
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig
    input_hw: tuple[int, int] = (192, 96)


def load_reid_config(path: Path, overrides: dict[str, Any] | None = None) -> ReidConfig:
    """Read a system's YAML; `overrides` maps dotted keys to values.

    Raises:
        ReidError: missing file, not YAML, unknown key or wrong value.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ReidError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ReidError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(data, dict):
        raise ReidError(f"{path}: a mapping of keys is expected")
    for dotted, value in (overrides or {}).items():
        *parents, leaf = dotted.split(".")
        node = data
        for key in parents:
            node = node.setdefault(key, {})
        node[leaf] = value
    try:
        return ReidConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ReidError(f"{path.name}: {key}: {first['msg']}") from error
