"""One YAML per ReID system, validated: an unknown key or a wrong value is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reid.data.augment_config import AugmentConfig
from reid.errors import ReidError

Side = Annotated[int, Field(ge=32, le=1024)]
"""Pixels of one side of a picture; the trunk needs 32."""
PictureSize = tuple[Side, Side]
"""Height and width."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(_Section):
    """What the network looks like.

    Attributes:
        backbone: trunk by name. width: channel multiplier.
        instance_norm: see OSNet. global_dim, part_count, part_dim: see AlignedReID.
    """

    backbone: Literal["osnet"] = "osnet"
    width: float = Field(default=0.25, gt=0, le=4)
    instance_norm: bool = True
    global_dim: int = Field(default=512, ge=8, le=4096)
    part_count: int = Field(default=8, ge=1, le=16)
    part_dim: int = Field(default=64, ge=4, le=512)


class PhaseConfig(_Section):
    """Steps at one resolution; small pictures first make from-scratch training cheap."""

    steps: int = Field(ge=1)
    size_hw: PictureSize


class LossConfig(_Section):
    """Weights of the loss terms; 0 switches a term off. `margin` is TriHard's."""

    identity: float = Field(default=1.0, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    trihard: float = Field(default=1.0, ge=0)
    aligned: float = Field(default=1.0, ge=0)
    margin: float = Field(default=0.3, ge=0)
    distil_feature: float = Field(default=0.0, ge=0)
    distil_similarity: float = Field(default=0.0, ge=0)
    distil_parts: float = Field(default=0.0, ge=0)


class TrainConfig(_Section):
    """The schedule. `ema` is the decay per step of the averaged weights that are evaluated.

    `unlabelled_pictures` mixed pictures (see `mixed_pictures`) are made once, and each batch has
    `unlabelled_per_batch` of them, which are learnt from through the teacher alone. `augment` is
    how labelled pictures are varied.
    """

    phases: tuple[PhaseConfig, ...] = Field(min_length=1)
    identities_per_batch: int = Field(default=16, ge=2)
    images_per_identity: int = Field(default=4, ge=2)
    unlabelled_pictures: int = Field(default=0, ge=0)
    unlabelled_per_batch: int = Field(default=0, ge=0)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup_steps: int = Field(default=300, ge=0)
    ema: float = Field(default=0.998, ge=0, lt=1)
    augment: AugmentConfig = AugmentConfig()
    seed: int = 0
    checkpoint_every: int = Field(default=250, ge=1)


class ReidConfig(_Section):
    """A whole system: model, losses, schedule, and the picture size it is used at."""

    name: str
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig
    input_hw: PictureSize = (192, 96)


def load_reid_config(path: Path, overrides: dict[str, Any] | None = None) -> ReidConfig:
    """Read a system's YAML; `overrides` maps dotted keys to values.

    A number in a dotted key counts from 0 in a list: `train.phases.0.steps`.

    Raises:
        ReidError: missing file, not YAML, unknown key or wrong value.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReidError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ReidError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(data, dict):
        raise ReidError(f"{path}: a mapping of keys is expected")
    for dotted, value in (overrides or {}).items():
        _override(data, dotted, value)
    try:
        return ReidConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ReidError(f"{path.name}: {key}: {what}") from error


def _override(data: dict[str, Any], dotted: str, value: Any) -> None:
    """Set one dotted key of nested mappings and lists in place."""
    *parents, leaf = dotted.split(".")
    node: Any = data
    try:
        for key in parents:
            node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
        node[int(leaf) if isinstance(node, list) else leaf] = value
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ReidError(f"{dotted}: unknown key") from error
