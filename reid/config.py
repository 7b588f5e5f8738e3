"""One YAML per ReID system, validated: an unknown key or a wrong value is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator
from torch import nn

from reid.backbones.registry import BackboneConfig, OSNetConfig
from reid.data.augment_config import AugmentConfig
from reid.errors import ReidError
from reid.heads.registry import HeadConfig
from reid.section import Section
from reid.terms.registry import TermConfig
from reid.yaml_files import override, read_yaml

Side = Annotated[int, Field(ge=32, le=1024)]
"""Pixels of one side of a picture; the trunks need 32."""
PictureSize = tuple[Side, Side]
"""Height and width."""


class ModelConfig(Section):
    """What the network looks like: a backbone and a head, each by name with its settings."""

    backbone: BackboneConfig = OSNetConfig()
    head: HeadConfig

    @model_validator(mode="before")
    @classmethod
    def _read_flat(cls, data: Any) -> Any:
        """The shipped weight file and others of its time list AlignedReID on OSNet flat."""
        if not isinstance(data, dict) or not isinstance(data.get("backbone"), str):
            return data
        trunk = {key: data[key] for key in ("width", "instance_norm") if key in data}
        rest = {key: data[key] for key in data.keys() - trunk.keys() - {"backbone"}}
        return {
            "backbone": trunk | {"name": data["backbone"]},
            "head": rest | {"name": "aligned"},
        }


class PhaseConfig(Section):
    """A part of the schedule at one resolution; small pictures first make training cheap.

    Exactly one of `steps` and `epochs` says how long it is. An epoch is as many batches as it
    takes to draw as many pictures as the data set has.
    """

    steps: int | None = Field(default=None, ge=1)
    epochs: float | None = Field(default=None, gt=0)
    size_hw: PictureSize

    @model_validator(mode="after")
    def _one_length(self) -> PhaseConfig:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        return self


class CosineSchedule(Section):
    """Cosine to zero over all steps (Loshchilov & Hutter, 2017)."""

    name: Literal["cosine"] = "cosine"


class StepSchedule(Section):
    """The rate is multiplied by `gamma` at each of `milestones`, fractions of all steps."""

    name: Literal["steps"] = "steps"
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(min_length=1)
    gamma: float = Field(default=0.1, gt=0, lt=1)


class TrainConfig(Section):
    """The schedule.

    Attributes:
        phases: resolutions, one after the other.
        identities_per_batch, images_per_identity: P and K of the batches.
        unlabelled_pictures: mixed pictures (see `mixed_pictures`) that are made once;
            unlabelled_per_batch: how many of them each batch has. They are learnt from through
            the teacher alone.
        optimiser, learning_rate, weight_decay: of the optimiser; sgd has momentum 0.9.
        schedule: after `warmup_steps` of linear warm-up.
        ema: decay per step of the averaged weights, which are evaluated; 0 takes the last ones.
        augment: how strongly pictures are varied.
        compile: use torch.compile for the backbone; pays on a GPU only, and cannot be used with a
            gradient penalty.
        seed: of weights, batches and augmentation.
        checkpoint_every: steps between checkpoints.
    """

    phases: tuple[PhaseConfig, ...] = Field(min_length=1)
    identities_per_batch: int = Field(default=16, ge=2)
    images_per_identity: int = Field(default=4, ge=2)
    unlabelled_pictures: int = Field(default=0, ge=0)
    unlabelled_per_batch: int = Field(default=0, ge=0)
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    schedule: Annotated[CosineSchedule | StepSchedule, Field(discriminator="name")] = (
        CosineSchedule()
    )
    warmup_steps: int = Field(default=300, ge=0)
    ema: float = Field(default=0.998, ge=0, lt=1)
    augment: AugmentConfig = AugmentConfig()
    compile: bool = False
    seed: int = Field(default=0, ge=0)
    checkpoint_every: int = Field(default=250, ge=1)


class MutualConfig(Section):
    """Mutual learning (Zhang et al., 2017; AlignedReID, section 3.4): students teach each other.

    Attributes:
        students: networks that are trained side by side; the first one is kept.
        posterior: weight of the KL divergence of class posteriors. temperature: theirs.
        metric: weight of the metric mutual loss over the global distance matrices.
        parts: the same over aligned part distances.
    """

    students: int = Field(default=2, ge=2, le=8)
    posterior: float = Field(default=1.0, ge=0)
    temperature: float = Field(default=1.0, gt=0)
    metric: float = Field(default=1.0, ge=0)
    parts: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _teaches(self) -> MutualConfig:
        if not self.posterior + self.metric + self.parts:
            raise ValueError("every weight is 0: the students would teach each other nothing")
        return self


class GradientPenaltyConfig(Section):
    """MSGR: epsilon ||dL / dF_s|| of the maps named (`input`, `stage1` .. `stage4`)."""

    maps: tuple[Literal["input", "stage1", "stage2", "stage3", "stage4"], ...] = Field(min_length=1)
    epsilon: float = Field(default=1e-2, gt=0)
    norm: Literal[1, 2, "inf"] = 2


class PaperConfig(Section):
    """What the system's paper reports on Market-1501, in percent, and under what conditions."""

    title: str
    rank1: float | None = None
    mean_ap: float | None = None
    note: str = ""


_TAKEN = frozenset(
    {"step", "lr", "loss", "images_per_s", "time_outside_model", "gradient_penalty"}
    | {"mutual_posterior", "mutual_metric", "mutual_parts"}
)
"""Columns of the log that are no losses of the YAML."""


class ReidConfig(Section):
    """A whole system: model, losses, schedule, and the picture size it is used at."""

    name: str
    paper: PaperConfig | None = None
    model: ModelConfig
    losses: dict[str, TermConfig]
    mutual: MutualConfig | None = None
    gradient_penalty: GradientPenaltyConfig | None = None
    train: TrainConfig
    input_hw: PictureSize = (192, 96)

    @field_validator("losses", mode="before")
    @classmethod
    def _drop_removed(cls, losses: Any) -> Any:
        """A term that a YAML sets to null is one of the YAML it extends, taken out."""
        if isinstance(losses, dict):
            return {name: term for name, term in losses.items() if term is not None}
        return losses

    @field_validator("losses")
    @classmethod
    def _check_names(cls, losses: dict[str, TermConfig]) -> dict[str, TermConfig]:
        """Names of losses are names of modules and of columns of the log, too."""
        for name in losses:
            if not name.isidentifier() or name in _TAKEN or hasattr(nn.ModuleDict, name):
                raise ValueError(f"{name!r} cannot be the name of a loss: choose another")
        return losses

    @model_validator(mode="after")
    def _check_losses(self) -> ReidConfig:
        head = self.model.head
        for name, term in self.losses.items():
            if not term.weight:
                continue
            missing = sorted(term.wanted - head.gives)
            if missing:
                raise ValueError(
                    f"losses.{name} needs {missing[0]}, which head {head.name} does not give"
                )
            if term.kind == "identity" and getattr(head, "mixes_labels", False):
                raise ValueError(
                    f"losses.{name}: head {head.name} mixes labels; use kind mixed_identity"
                )
            if term.identities > self.train.identities_per_batch:
                raise ValueError(
                    f"losses.{name} needs {term.identities} identities in a batch; raise "
                    "train.identities_per_batch"
                )
        return self

    @model_validator(mode="after")
    def _check_fit(self) -> ReidConfig:
        head, penalty = self.model.head, self.gradient_penalty
        if self.mutual is not None and self.mutual.parts and "parts" not in head.gives:
            raise ValueError(f"mutual.parts: head {head.name} has no parts")
        if penalty is None:
            return self
        if self.train.compile:
            raise ValueError(
                "train.compile: cannot be used with gradient_penalty, which differentiates twice"
            )
        if self.model.backbone.name == "hrnet" and set(penalty.maps) != {"input"}:
            raise ValueError(
                "gradient_penalty.maps: hrnet's maps are branches of its end, not outputs of "
                "stages; only input can be named"
            )
        return self


def load_reid_config(path: Path, overrides: dict[str, Any] | None = None) -> ReidConfig:
    """Read a system's YAML; `overrides` maps dotted keys to values.

    A number in a dotted key counts from 0 in a list: `train.phases.0.steps`.

    Raises:
        ReidError: missing file, not YAML, unknown key or wrong value.
    """
    return read_system(ReidConfig, path, overrides)


System = TypeVar("System", bound=Section)


def read_system(kind: type[System], path: Path, overrides: dict[str, Any] | None = None) -> System:
    """As `load_reid_config`, for any kind of system.

    Raises:
        ReidError: missing file, not YAML, unknown key or wrong value.
    """
    data = read_yaml(path)
    for dotted, value in (overrides or {}).items():
        override(data, dotted, value)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(typed_key(data, first["loc"]))
        what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        what = what.removeprefix("Value error, ")
        raise ReidError(f"{path.name}: {key + ': ' if key else ''}{what}") from error


def typed_key(data: Any, location: tuple[int | str, ...]) -> list[str]:
    """The words of a key as a user types it: without the tags of unions (`name`, `kind`)."""
    words = []
    for part in location:
        tags = (data.get("name"), data.get("kind")) if isinstance(data, dict) else ()
        if part in tags and part not in data:
            continue
        words.append(str(part))
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = None
    return words
