"""What a training run carries from step to step, and its checkpoint on disk."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from reid.build import build_model
from reid.config import ReidConfig
from reid.errors import ReidError
from reid.models.aligned import AlignedReID


@dataclass
class TrainingState:
    """Everything that must be stored to go on as if never stopped.

    Attributes:
        model: the network that is trained. average: its moving average (EMA), in eval mode.
        heads: linear maps from the student's features to the teacher's; empty without teacher.
        optimiser: AdamW over model and heads. generator: draws of the augmentation.
        step: finished steps.
    """

    model: AlignedReID
    average: AlignedReID
    heads: nn.ModuleDict
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    step: int = 0


def start_state(
    config: ReidConfig, identities: int, teacher_dim: int | None, device: str
) -> TrainingState:
    """Random weights and an empty optimiser, a function of `config.train.seed` alone.

    Args:
        identities: size of the classifier. teacher_dim: length of a teacher's feature, or None.
    """
    torch.manual_seed(config.train.seed)
    model = build_model(config.model, identities)
    model.to(device=device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    heads = nn.ModuleDict()
    if teacher_dim is not None:
        heads["global"] = nn.Linear(config.model.global_dim, teacher_dim)
        heads["parts"] = nn.Linear(config.model.part_count * config.model.part_dim, teacher_dim)
        heads.to(device)
    decay = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": decay + list(heads.parameters()), "weight_decay": config.train.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=config.train.learning_rate, fused=True)
    generator = torch.Generator(device=device).manual_seed(config.train.seed)
    return TrainingState(model, copy.deepcopy(model).eval(), heads, optimiser, generator)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """average <- decay * average + (1 - decay) * model, batch statistics included."""
    live = model.state_dict()
    kept = average.state_dict()
    moving = [name for name, value in kept.items() if value.dtype.is_floating_point]
    blend = get_ema_multi_avg_fn(decay)
    blend([kept[name] for name in moving], [live[name] for name in moving], None)
    for name in kept.keys() - set(moving):
        kept[name].copy_(live[name])


def save_checkpoint(state: TrainingState, path: Path) -> None:
    """Write the state; a crash while writing leaves the previous checkpoint."""
    content: dict[str, Any] = {
        "model": state.model.state_dict(),
        "average": state.average.state_dict(),
        "heads": state.heads.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "generator": state.generator.get_state(),
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
    wanted = {"model", "average", "heads", "optimiser", "generator", "step"}
    if not isinstance(content, dict) or not wanted <= content.keys():
        raise ReidError(f"{path}: not a checkpoint of this trainer")
    return content


def restore(state: TrainingState, path: Path, device: str) -> None:
    """Continue from a checkpoint: overwrites `state`.

    Raises:
        ReidError: the checkpoint cannot be read or is of another architecture or data set.
    """
    content = read_checkpoint(path, device)
    with _fitting(path):
        state.model.load_state_dict(content["model"])
        state.average.load_state_dict(content["average"])
        state.heads.load_state_dict(content["heads"])
        state.optimiser.load_state_dict(content["optimiser"])
    state.generator.set_state(content["generator"].cpu())
    state.step = int(content["step"])


def adopt_weights(state: TrainingState, path: Path, device: str) -> None:
    """Start from the averaged weights of another run's checkpoint, with a fresh optimiser.

    Raises:
        ReidError: the checkpoint cannot be read or is of another architecture or data set.
    """
    content = read_checkpoint(path, device)
    with _fitting(path):
        state.model.load_state_dict(content["average"])
        state.average.load_state_dict(content["average"])
        state.heads.load_state_dict(content["heads"])


def averaged_model(path: Path, config: ReidConfig) -> AlignedReID:
    """The EMA network of a checkpoint, without its classifier, in evaluation mode.

    Raises:
        ReidError: the checkpoint cannot be read or is of another architecture.
    """
    weights: dict[str, Tensor] = read_checkpoint(path)["average"]
    model = build_model(config.model)
    kept = {name: value for name, value in weights.items() if not name.startswith("classifier.")}
    with _fitting(path, f" than {config.name}"):
        model.load_state_dict(kept)
    return model.eval()


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
