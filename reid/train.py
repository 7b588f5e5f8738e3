"""The trainer: PK batches, ID + TriHard + aligned losses, optional distillation, EMA, resume."""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from reid.build import build_model
from reid.config import LossConfig, ReidConfig, TrainConfig
from reid.data.augment import AugmentConfig, augment, normalise
from reid.data.sampler import IdentitySampler
from reid.errors import ReidError
from reid.losses.aligned import aligned_trihard_loss
from reid.losses.distillation import cosine_distillation, similarity_distillation
from reid.losses.label_smoothing import label_smoothed_cross_entropy
from reid.losses.trihard import euclidean_distances, hardest_pairs, triplet_margin
from reid.models.aligned import AlignedReID, Features

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSet:
    """Decoded training images.

    Attributes:
        images: (N, H, W, 3) uint8 RGB. labels: (N,) int64 identities of any numbering.
        teacher: (N, T) float features of a stronger model, or None.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    teacher: NDArray[np.float32] | None = None


@dataclass
class _State:
    model: AlignedReID
    average: AlignedReID
    heads: nn.ModuleDict
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then cosine to zero over all phases (Loshchilov & Hutter, 2017)."""
    total = sum(phase.steps for phase in config.phases)
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(total - config.warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def batch_losses(
    features: Features,
    labels: Tensor,
    config: LossConfig,
    heads: nn.ModuleDict,
    teacher: Tensor | None,
) -> dict[str, Tensor]:
    """The weighted loss terms of one batch; only terms with a weight are computed."""
    terms: dict[str, Tensor] = {}
    if config.identity and features.logits is not None:
        terms["identity"] = config.identity * label_smoothed_cross_entropy(
            features.logits, labels, config.label_smoothing
        )
    distances = euclidean_distances(features.metric)
    positive, negative = hardest_pairs(distances, labels)
    rows = torch.arange(len(labels), device=labels.device)
    if config.trihard:
        terms["trihard"] = config.trihard * triplet_margin(
            distances[rows, positive], distances[rows, negative], config.margin
        )
    if config.aligned:
        terms["aligned"] = config.aligned * aligned_trihard_loss(
            features.parts, positive, negative, config.margin
        )
    if teacher is not None:
        terms |= _distillation_terms(features, config, heads, teacher)
    return terms


def _distillation_terms(
    features: Features, config: LossConfig, heads: nn.ModuleDict, teacher: Tensor
) -> dict[str, Tensor]:
    terms: dict[str, Tensor] = {}
    if config.distil_feature:
        student = heads["global"](features.neck.float())
        terms["distil_feature"] = config.distil_feature * cosine_distillation(student, teacher)
    if config.distil_similarity:
        terms["distil_similarity"] = config.distil_similarity * similarity_distillation(
            features.neck, teacher
        )
    if config.distil_parts:
        student = heads["parts"](features.parts.float().flatten(1))
        terms["distil_parts"] = config.distil_parts * cosine_distillation(student, teacher)
    return terms


def train(
    config: ReidConfig,
    data: TrainingSet,
    out: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    on_step: Callable[[dict[str, float]], None] | None = None,
) -> AlignedReID:
    """Train `config` on `data`; checkpoints and `log.jsonl` go to `out`.

    With `resume` the newest checkpoint goes on with the same batches and the same augmentation
    as an uninterrupted run. Returns the averaged (EMA) model in evaluation mode.

    Raises:
        ReidError: a loss became NaN or infinite (the batch is saved in `out`), or too few
            identities for a batch.
    """
    out.mkdir(parents=True, exist_ok=True)
    _, labels = np.unique(data.labels, return_inverse=True)
    state = _start(config, int(labels.max()) + 1, data, device)
    checkpoint = out / "checkpoint.pt"
    if resume and checkpoint.exists():
        _restore(state, torch.load(checkpoint, map_location=device, weights_only=True))
    sampler = IdentitySampler(
        labels,
        config.train.identities_per_batch,
        config.train.images_per_identity,
        config.train.seed,
    )
    total = sum(phase.steps for phase in config.train.phases)
    clock = time.monotonic()
    while state.step < total:
        rows = sampler.batch(state.step)
        record = _step(state, config, data, labels, rows, out, device)
        if state.step % 50 == 0 or state.step == total:
            record |= {"images_per_s": 50 * len(rows) / (time.monotonic() - clock)}
            clock = time.monotonic()
            with (out / "log.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
            log.info("%s", record)
        if on_step is not None:
            on_step(record)
        if state.step % config.train.checkpoint_every == 0 or state.step == total:
            _save(state, checkpoint)
    return state.average.eval()


def _size_at(step: int, config: TrainConfig) -> tuple[int, int]:
    for phase in config.phases:
        if step < phase.steps:
            return phase.size_hw
        step -= phase.steps
    return config.phases[-1].size_hw


def _start(config: ReidConfig, identities: int, data: TrainingSet, device: str) -> _State:
    torch.manual_seed(config.train.seed)
    model = build_model(config.model, identities).to(device, memory_format=torch.channels_last)
    heads = nn.ModuleDict()
    if data.teacher is not None:
        size = data.teacher.shape[1]
        heads["global"] = nn.Linear(config.model.global_dim, size)
        heads["parts"] = nn.Linear(config.model.part_count * config.model.part_dim, size)
        heads.to(device)
    decay = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": decay + list(heads.parameters()), "weight_decay": config.train.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=config.train.learning_rate)
    generator = torch.Generator(device=device).manual_seed(config.train.seed)
    return _State(model, copy.deepcopy(model).eval(), heads, optimiser, generator)


def _step(
    state: _State,
    config: ReidConfig,
    data: TrainingSet,
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    out: Path,
    device: str,
) -> dict[str, float]:
    rate = learning_rate_at(state.step, config.train)
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    images = torch.from_numpy(data.images[rows]).to(device).permute(0, 3, 1, 2).float() / 255
    size = _size_at(state.step, config.train)
    if tuple(images.shape[2:]) != size:
        images = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
    images = normalise(augment(images, AugmentConfig(), state.generator))
    target = torch.from_numpy(labels[rows]).to(device)
    teacher = None
    if data.teacher is not None:
        teacher = torch.from_numpy(data.teacher[rows].astype(np.float32)).to(device)
    state.model.train()
    with torch.autocast(device.split(":")[0], dtype=torch.bfloat16):
        features = state.model.features(images.to(memory_format=torch.channels_last))
    terms = batch_losses(features, target, config.loss, state.heads, teacher)
    loss = torch.stack(list(terms.values())).sum()
    if not torch.isfinite(loss):
        np.savez_compressed(out / "nan_batch.npz", rows=rows, images=data.images[rows])
        raise ReidError(f"step {state.step}: loss is {loss.item()}; batch in {out}/nan_batch.npz")
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), 10.0)
    state.optimiser.step()
    _average(state.average, state.model, min(config.train.ema, (1 + state.step) / (10 + state.step)))
    state.step += 1
    return {"step": state.step, "lr": rate, "loss": loss.item()} | {
        name: term.item() for name, term in terms.items()
    }


@torch.no_grad()
def _average(average: nn.Module, model: nn.Module, decay: float) -> None:
    live = model.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(live[name].to(value.dtype), 1 - decay)
        else:
            value.copy_(live[name])


def _save(state: _State, path: Path) -> None:
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


def _restore(state: _State, content: dict[str, Any]) -> None:
    try:
        state.model.load_state_dict(content["model"])
        state.average.load_state_dict(content["average"])
        state.heads.load_state_dict(content["heads"])
    except RuntimeError as error:
        raise ReidError(
            f"the checkpoint is of another architecture: {str(error).splitlines()[0]}"
        ) from error
    state.optimiser.load_state_dict(content["optimiser"])
    state.generator.set_state(content["generator"].cpu())
    state.step = int(content["step"])
