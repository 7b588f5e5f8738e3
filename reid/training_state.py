"""What a training run carries from step to step, and its checkpoint on disk."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from reid.backbones.pretrained import load_pretrained
from reid.build import build_model
from reid.config import ReidConfig, TrainConfig
from reid.criterion import Criterion
from reid.errors import ReidError
from reid.network import ReidNetwork
from reid.terms.base import Facts


@dataclass
class TrainingState:
    """Everything that must be stored to go on as if never stopped.

    Attributes:
        students: the networks that are trained; more than one in mutual learning alone.
        average: moving average (EMA) of the first student, in eval mode.
        criteria: each student's loss terms, some with parameters of their own.
        optimiser: over students and criteria. step: finished steps; all draws depend on it.
    """

    students: nn.ModuleList
    average: ReidNetwork
    criteria: nn.ModuleList
    optimiser: torch.optim.Optimizer
    step: int = 0

    @property
    def networks(self) -> list[ReidNetwork]:
        """The students."""
        return [network for network in self.students if isinstance(network, ReidNetwork)]


def start_state(config: ReidConfig, facts: Facts, device: str) -> TrainingState:
    """Random weights and an empty optimiser, a function of `config.train.seed` alone."""
    torch.manual_seed(config.train.seed)
    count = config.mutual.students if config.mutual else 1
    networks = [build_model(config.model, facts.identities) for _ in range(count)]
    students = nn.ModuleList(networks)
    students.to(device=device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    criteria = nn.ModuleList(Criterion(config.losses, network, facts) for network in networks)
    criteria.to(device)
    optimiser = make_optimiser([students, criteria], config.train)
    average = copy.deepcopy(networks[0]).eval()
    return TrainingState(students, average, criteria, optimiser)


def make_optimiser(modules: list[nn.Module], config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser over all parameters; vectors (biases, norms) have no weight decay."""
    found = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in found if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in found if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rate = config.learning_rate
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True)
    if config.optimiser == "adam":
        return torch.optim.Adam(groups, lr=rate, fused=True)
    return torch.optim.AdamW(groups, lr=rate, fused=True)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """average <- decay * average + (1 - decay) * model, batch statistics included.

    Without decay (0) it becomes the model itself.
    """
    live = model.state_dict()
    kept = average.state_dict()
    moving = [name for name, value in kept.items() if value.dtype.is_floating_point]
    blend = get_ema_multi_avg_fn(decay)
    blend([kept[name] for name in moving], [live[name] for name in moving], None)
    for name in kept.keys() - set(moving):
        kept[name].copy_(live[name])


def save_checkpoint(state: TrainingState, config: ReidConfig, path: Path) -> None:
    """Write the state; a crash while writing leaves the previous checkpoint."""
    content: dict[str, Any] = {
        "config": config.model_dump_json(),
        "students": state.students.state_dict(),
        "average": state.average.state_dict(),
        "criteria": state.criteria.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
    }
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    os.replace(temporary, path)


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """The content of a checkpoint.

    Raises:
        ReidError: missing file, or not a checkpoint of this trainer.
    """
    if not path.is_file():
        raise ReidError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ReidError(f"{path}: not a readable checkpoint") from error
    wanted = {"config", "students", "average", "criteria", "optimiser", "step"}
    if not isinstance(content, dict) or not wanted <= content.keys():
        raise ReidError(f"{path}: not a checkpoint of this trainer")
    return content


def restore(state: TrainingState, config: ReidConfig, path: Path, device: str) -> None:
    """Continue from a checkpoint: overwrites `state`.

    Raises:
        ReidError: the checkpoint cannot be read, is of another architecture or data set, or was
            trained with other settings, so that its numbers would not be gone on with.
    """
    content = read_checkpoint(path, device)
    with _fitting(path):
        state.students.load_state_dict(content["students"])
        state.average.load_state_dict(content["average"])
        state.criteria.load_state_dict(content["criteria"])
        state.optimiser.load_state_dict(content["optimiser"])
    changed = changed_settings(content["config"], config)
    if changed:
        raise ReidError(
            f"{path}: trained with another {changed[0]}; resume with the same settings, or start "
            "a new run with --initial"
        )
    state.step = int(content["step"])


def changed_settings(stored: str, config: ReidConfig) -> list[str]:
    """Dotted keys of settings that a checkpoint was trained with differently."""
    free: Any = {"name": True, "paper": True, "train": {"checkpoint_every", "compile"}}
    ours = flat(config.model_dump(mode="json", exclude=free))
    theirs = flat(ReidConfig.model_validate_json(stored).model_dump(mode="json", exclude=free))
    missing = object()
    return [
        key
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key, missing) != theirs.get(key, missing)
    ]


def flat(data: Any, prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": [1]}} -> {"a.b.0": 1}."""
    if isinstance(data, list):
        data = dict(enumerate(data))
    if not isinstance(data, dict):
        return {prefix: data}
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def adopt_weights(state: TrainingState, path: Path, device: str) -> None:
    """Start from the averaged weights of another run's checkpoint, with a fresh optimiser.

    In mutual learning the first student does; the others start at random.

    Raises:
        ReidError: the checkpoint cannot be read or is of another architecture or data set.
    """
    content = read_checkpoint(path, device)
    with _fitting(path):
        state.students[0].load_state_dict(content["average"])
        state.average.load_state_dict(content["average"])
        state.criteria[0].load_state_dict(_of_first(content["criteria"]))


def start_backbones(state: TrainingState, path: Path) -> None:
    """Start every student's backbone from an ImageNet checkpoint, in place.

    Raises:
        ReidError: the checkpoint cannot be read or is of another architecture.
    """
    for network in [*state.networks, state.average]:
        load_pretrained(network.backbone, path)


def _of_first(criteria: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the first student's criterion."""
    return {name[2:]: value for name, value in criteria.items() if name.startswith("0.")}


def averaged_model(path: Path, config: ReidConfig) -> ReidNetwork:
    """The EMA network of a checkpoint, without its classifiers, in evaluation mode.

    Raises:
        ReidError: the checkpoint cannot be read, or was trained with another network. (The
            size of pictures may differ: networks can be used at others.)
    """
    content = read_checkpoint(path)
    weights: dict[str, Tensor] = content["average"]
    model = build_model(config.model)
    with _fitting(path, f" than {config.name}"):
        model.load_state_dict(without_classifiers(weights))
    changed = [
        key for key in changed_settings(content["config"], config) if key.startswith("model.")
    ]
    if changed:
        raise ReidError(f"{path}: trained with another {changed[0]} than {config.name} has")
    return model.eval()


def without_classifiers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that search needs: all but those of modules named `classifier...`."""
    return {
        name: value
        for name, value in weights.items()
        if not any(word.startswith("classifier") for word in name.split("."))
    }


@contextmanager
def _fitting(path: Path, than: str = "") -> Iterator[None]:
    """Say by name that tensors of a checkpoint do not fit.

    Raises:
        ReidError: they do not.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        reason = _reason(error)
        raise ReidError(
            f"{path}: the checkpoint is of another architecture{than} ({reason})"
        ) from error


def _reason(error: Exception) -> str:
    """The first detail of what torch says about tensors that do not fit."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else lines[0])[:160].rstrip(" .,")
