"""The trainer: PK batches, ID + TriHard + aligned losses, optional distillation, EMA, resume."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reid.batch_losses import batch_losses
from reid.config import LossConfig, ReidConfig, TrainConfig
from reid.data.augment import AugmentConfig, augment, normalise
from reid.data.market import resized
from reid.data.sampler import IdentitySampler
from reid.errors import ReidError
from reid.models.aligned import AlignedReID
from reid.training_state import (
    TrainingState,
    adopt_weights,
    restore,
    save_checkpoint,
    start_state,
    update_average,
)

log = logging.getLogger(__name__)
_LOG_EVERY = 50
_GENTLE = AugmentConfig(
    shift=0.02, scale=0.02, colour=0.0, grey=0.0, blur=0.0, erase=0.0, truncate=0.0
)
"""Unlabelled pictures must stay what the teacher saw: only mirrored and moved a little."""


@dataclass(frozen=True)
class TrainingSet:
    """Decoded training images.

    Attributes:
        images: (N, H, W, 3) uint8 RGB. labels: (N,) int64 identities of any numbering.
        teacher: (N, T) float features of a stronger model, or None.
        unlabelled: (M, H, W, 3) uint8 RGB crops of anybody, anywhere, or None; they are learnt
            from through the teacher alone ("function matching", Beyer et al., CVPR 2022).
        unlabelled_teacher: (M, T) the teacher's features of exactly these pictures.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    teacher: NDArray[np.float32] | None = None
    unlabelled: NDArray[np.uint8] | None = None
    unlabelled_teacher: NDArray[np.float32] | None = None


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then cosine to zero over all phases (Loshchilov & Hutter, 2017)."""
    total = total_steps(config)
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(total - config.warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def train(
    config: ReidConfig,
    data: TrainingSet,
    out: Path,
    *,
    resume: bool = False,
    initial: Path | None = None,
    device: str = "cpu",
    on_step: Callable[[dict[str, float]], None] | None = None,
) -> AlignedReID:
    """Train `config` on `data`; checkpoints and `log.jsonl` go to `out`.

    With `resume` the newest checkpoint goes on with the same batches and the same augmentation
    as an uninterrupted run. `initial` is the checkpoint of an earlier run whose averaged weights
    are the start instead of random ones. `on_step` gets each step's losses; it may raise
    KeyboardInterrupt to stop, which is passed on after a checkpoint. Returns the averaged (EMA)
    model in evaluation mode.

    Raises:
        ReidError: a loss became NaN or infinite (the batch is saved in `out`), too few
            identities for a batch, or a checkpoint that does not fit.
    """
    _check_terms(config.loss, data.teacher is not None)
    values, labels = np.unique(data.labels, return_inverse=True)
    sampler = IdentitySampler(
        labels,
        config.train.identities_per_batch,
        config.train.images_per_identity,
        config.train.seed,
    )
    out.mkdir(parents=True, exist_ok=True)
    teacher_dim = None if data.teacher is None else data.teacher.shape[1]
    state = start_state(config, len(values), teacher_dim, device)
    checkpoint = out / "checkpoint.pt"
    if resume and checkpoint.exists():
        restore(state, checkpoint, device)
    elif initial is not None:
        adopt_weights(state, initial, device)
    trainer = _Trainer(config, data, labels, out, device, state)
    _run_steps(trainer, sampler, checkpoint, on_step or (lambda record: None))
    return state.average.eval()


def _run_steps(
    trainer: _Trainer,
    sampler: IdentitySampler,
    checkpoint: Path,
    on_step: Callable[[dict[str, float]], None],
) -> None:
    """Train to the last step, with a log and checkpoints."""
    state, config = trainer.state, trainer.config.train
    while state.step < total_steps(config):
        record = trainer.step(sampler.batch(state.step))
        last = state.step == total_steps(config)
        if state.step % _LOG_EVERY == 0 or last:
            trainer.write_log(record)
        if state.step % config.checkpoint_every == 0 or last:
            save_checkpoint(state, checkpoint)
        try:
            on_step(record)
        except KeyboardInterrupt:
            save_checkpoint(state, checkpoint)
            raise


def _check_terms(config: LossConfig, taught: bool) -> None:
    """Refuse a configuration that has nothing to learn from."""
    own = config.identity + config.trihard + config.aligned
    borrowed = config.distil_feature + config.distil_similarity + config.distil_parts
    if own == 0 and not (taught and borrowed):
        raise ReidError("loss: every term has weight 0, or its teacher is missing")


def total_steps(config: TrainConfig) -> int:
    """Steps of all phases together."""
    return sum(phase.steps for phase in config.phases)


def _size_at(step: int, config: TrainConfig) -> tuple[int, int]:
    for phase in config.phases:
        if step < phase.steps:
            return phase.size_hw
        step -= phase.steps
    return config.phases[-1].size_hw


class _Trainer:
    """Single steps of one run."""

    def __init__(
        self,
        config: ReidConfig,
        data: TrainingSet,
        labels: NDArray[np.int64],
        out: Path,
        device: str,
        state: TrainingState,
    ) -> None:
        self.config, self.data, self.labels = config, data, labels
        self.out, self.device, self.state = out, device, state
        self._clock, self._seen = time.monotonic(), 0
        self._size: tuple[int, int] | None = None

    def step(self, rows: NDArray[np.int64]) -> dict[str, float]:
        """One optimiser step on the images of `rows`; returns step, lr and losses."""
        state, config = self.state, self.config.train
        rate = learning_rate_at(state.step, config)
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        images, teacher = self._batch(rows)
        state.model.train()
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16):
            features = state.model.features(images.to(memory_format=torch.channels_last))
        target = torch.from_numpy(self.labels[rows]).to(self.device)
        terms = batch_losses(features, target, self.config.loss, state.heads, teacher)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            self._refuse(loss.item(), rows)
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(state.model.parameters(), 10.0)
        state.optimiser.step()
        decay = min(config.ema, (1 + state.step) / (10 + state.step))
        update_average(state.average, state.model, decay)
        state.step += 1
        self._seen += len(rows)
        return {"step": state.step, "lr": rate, "loss": loss.item()} | {
            name: term.item() for name, term in terms.items()
        }

    def write_log(self, record: dict[str, float]) -> None:
        """Append `record` and the images per second since the last line to log.jsonl."""
        now = time.monotonic()
        line = record | {"images_per_s": self._seen / max(now - self._clock, 1e-9)}
        self._clock, self._seen = now, 0
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        log.info("%s", line)

    def _batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        """Labelled, then unlabelled pictures (B, 3, h, w) and the teacher's view of them."""
        self._enter_phase()
        generator = self.state.generator
        data = self.data
        images = self._on_device(self._images[rows])
        images = augment(images, self.config.train.augment, generator)
        if data.teacher is None:
            return normalise(images), None
        teacher = data.teacher[rows]
        count = self.config.train.unlabelled_per_batch
        if self._unlabelled is not None and data.unlabelled_teacher is not None and count:
            rng = np.random.default_rng([self.config.train.seed, 2, self.state.step])
            more = rng.integers(len(self._unlabelled), size=count)
            extra = self._on_device(self._unlabelled[more])
            images = torch.cat([images, augment(extra, _GENTLE, generator)])
            teacher = np.concatenate([teacher, data.unlabelled_teacher[more]])
        features = torch.from_numpy(teacher.astype(np.float32)).to(self.device)
        return normalise(images), features

    def _enter_phase(self) -> None:
        """Scale all pictures once when their size changes, instead of in every batch."""
        size = _size_at(self.state.step, self.config.train)
        if size != self._size:
            self._size = size
            self._images = resized(self.data.images, size)
            more = self.data.unlabelled
            self._unlabelled = None if more is None else resized(more, size)

    def _on_device(self, pictures: NDArray[np.uint8]) -> Tensor:
        """(B, h, w, 3) uint8 -> (B, 3, h, w) in 0..1."""
        return torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2).float() / 255

    def _refuse(self, loss: float, rows: NDArray[np.int64]) -> NoReturn:
        path = self.out / "nan_batch.npz"
        np.savez_compressed(path, rows=rows, images=self.data.images[rows])
        raise ReidError(
            f"step {self.state.step}: loss is {loss}; the batch is saved in {path}. "
            "Lower train.learning_rate, or look for a broken image in the batch"
        )
