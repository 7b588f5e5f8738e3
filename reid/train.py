"""The trainer: PK batches, any loss terms, mutual learning, gradient penalty, EMA, resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reid.batches import BatchMaker
from reid.config import ReidConfig
from reid.data.sampler import IdentitySampler
from reid.distributed import Place, average_gradients, share_statistics
from reid.errors import ReidError
from reid.losses.gradient_penalty import gradient_penalty
from reid.mutual import mutual_terms
from reid.network import Outputs, ReidNetwork, Targets
from reid.schedule import in_steps, learning_rate_at, step_seed, total_steps
from reid.training_log import TrainingLog
from reid.training_set import TrainingSet, check_data, check_head, check_named_branches
from reid.training_state import (
    TrainingState,
    adopt_weights,
    restore,
    save_checkpoint,
    start_backbones,
    start_state,
    update_average,
)

_LARGEST_GRADIENT = 10.0

OnStep = Callable[[dict[str, float]], None]


def train(
    config: ReidConfig,
    data: TrainingSet,
    out: Path,
    *,
    resume: bool = False,
    initial: Path | None = None,
    pretrained: Path | None = None,
    device: str = "cpu",
    place: Place | None = None,
    on_step: OnStep | None = None,
) -> ReidNetwork:
    """Train `config` on `data`; checkpoints, `log.jsonl` and TensorBoard scalars go to `out`.

    With `resume` the newest checkpoint goes on with the same batches and the same augmentation
    as an uninterrupted run. `initial` is the checkpoint of an earlier run whose averaged weights
    are the start instead of random ones; `pretrained` is an ImageNet checkpoint for the backbone
    alone. `on_step` gets each step's losses; it may raise
    KeyboardInterrupt to stop, which is passed on after a checkpoint. Returns the averaged (EMA)
    model in evaluation mode. `place` is this process among several; see reid.distributed.

    Raises:
        ReidError: a loss became NaN or infinite (the batch is saved in `out`), too few
            identities for a batch, data that a loss term lacks, or a checkpoint that does not fit.
    """
    place = place or Place()
    check_data(config, data)
    config = in_steps(config, len(data.labels), place.world)
    sampler = IdentitySampler(
        np.unique(data.labels, return_inverse=True)[1],
        config.train.identities_per_batch,
        config.train.images_per_identity,
        config.train.seed,
    )
    state = start_state(config, data.facts(), device)
    check_head(config, state.networks[0], data.joints is not None)
    check_named_branches(config, state.average)
    checkpoint = out / "checkpoint.pt"
    if resume and checkpoint.exists():
        restore(state, config, checkpoint, device)
    elif initial is not None:
        adopt_weights(state, initial, device)
    elif pretrained is not None:
        start_backbones(state, pretrained)
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, data, out, device, state, place)
    with TrainingLog(out, state.step, place.leads) as log:
        _run_steps(trainer, sampler, checkpoint, log, on_step or (lambda record: None))
    return state.average.eval()


def _run_steps(
    trainer: Trainer,
    sampler: IdentitySampler,
    checkpoint: Path,
    log: TrainingLog,
    on_step: OnStep,
) -> None:
    """Train to the last step, with a log and checkpoints."""
    state, config, place = trainer.state, trainer.config.train, trainer.place
    while state.step < total_steps(config):
        rows = sampler.batch(state.step, place.rank, place.world)
        record = trainer.step(rows, log)
        last = state.step == total_steps(config)
        log.write(record, len(rows) * place.world, last)
        if place.leads and (state.step % config.checkpoint_every == 0 or last):
            save_checkpoint(state, trainer.config, checkpoint)
        try:
            on_step(record)
        except KeyboardInterrupt:
            if place.leads:
                save_checkpoint(state, trainer.config, checkpoint)
            raise


class Trainer:
    """Single steps of one run."""

    def __init__(
        self,
        config: ReidConfig,
        data: TrainingSet,
        out: Path,
        device: str,
        state: TrainingState,
        place: Place,
    ) -> None:
        self.config, self.data, self.out = config, data, out
        self.device, self.state, self.place = device, state, place
        self.batches = BatchMaker(config.train, data, device, place.rank)
        share_statistics(state.students, place)
        self._parameters = [p for group in state.optimiser.param_groups for p in group["params"]]
        if config.train.compile:
            for network in state.networks:
                network.backbone.stages = torch.compile(  # type: ignore[method-assign]
                    network.backbone.stages
                )

    def step(self, rows: NDArray[np.int64], log: TrainingLog) -> dict[str, float]:
        """One optimiser step on the images of `rows`; returns step, lr and losses."""
        state, config = self.state, self.config.train
        rate = learning_rate_at(state.step, config)
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        with log.preparing(self.device):
            images, targets = self.batches.batch(rows, state.step)
        # Heads that draw (dropped blocks, mixed maps) do so alike after a resume.
        torch.manual_seed(step_seed(config.seed, state.step, self.place.rank))
        terms = self._terms(images, targets)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            self._refuse("loss", loss.item(), rows)
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self._parameters, self.place)
        length = nn.utils.clip_grad_norm_(self._parameters, _LARGEST_GRADIENT)
        if not torch.isfinite(length):
            self._refuse("the gradient", length.item(), rows)
        state.optimiser.step()
        decay = min(config.ema, (1 + state.step) / (10 + state.step))
        update_average(state.average, state.students[0], decay)
        state.step += 1
        return {"step": state.step, "lr": rate, "loss": loss.item()} | {
            name: term.item() for name, term in terms.items()
        }

    def _terms(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """All weighted terms: every student's own (added up), mutual ones, gradient penalty."""
        penalty = self.config.gradient_penalty
        images = images.to(memory_format=torch.channels_last)
        if penalty is not None and "input" in penalty.maps:
            images.requires_grad_(True)
        self.state.students.train()
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16):
            found = [student.outputs(images, targets) for student in self.state.networks]
        terms: dict[str, Tensor] = {}
        for outputs, criterion in zip(found, self.state.criteria, strict=True):
            for name, value in criterion(outputs, targets).items():
                terms[name] = terms[name] + value if name in terms else value
        if penalty is not None:
            loss = torch.stack(list(terms.values())).sum()
            maps = _maps(found, images, penalty.maps)
            try:
                terms["gradient_penalty"] = gradient_penalty(
                    loss, maps, penalty.epsilon, float(penalty.norm)
                )
            except ValueError as error:
                names = ", ".join(penalty.maps)
                raise ReidError(f"gradient_penalty.maps {names}: {error}") from error
        if self.config.mutual is not None:
            count = len(targets.labels)
            terms |= mutual_terms([o.first(count) for o in found], self.config.mutual)
        return terms

    def _refuse(self, what: str, value: float, rows: NDArray[np.int64]) -> NoReturn:
        """Before the weights change, so that the last checkpoint stays good."""
        path = self.out / "nan_batch.npz"
        np.savez_compressed(path, rows=rows, images=self.data.images[rows])
        raise ReidError(
            f"step {self.state.step}: {what} is {value}; the batch is saved in {path}. "
            "Lower train.learning_rate, or look for a broken image in the batch"
        )


def _maps(found: list[Outputs], images: Tensor, names: tuple[str, ...]) -> list[Tensor]:
    """The maps that a gradient penalty is about, by the names of its section: every student's
    own stages, and the input that they share."""
    maps = [images] if "input" in names else []
    stages = [int(name.removeprefix("stage")) - 1 for name in names if name != "input"]
    return maps + [outputs.stages[stage] for outputs in found for stage in stages]
