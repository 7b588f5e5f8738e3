"""How long training is, how fast it learns at each step, and at what resolution."""

from __future__ import annotations

import math

import numpy as np

from reid.config import PhaseConfig, ReidConfig, StepSchedule, TrainConfig


def in_steps(config: ReidConfig, pictures: int, world: int = 1) -> ReidConfig:
    """The configuration with all epochs turned into steps, for a data set of `pictures`."""
    train = config.train
    batch = train.identities_per_batch * train.images_per_identity * world
    phases = tuple(
        PhaseConfig(
            steps=phase.steps or max(1, round((phase.epochs or 0) * pictures / batch)),
            size_hw=phase.size_hw,
        )
        for phase in train.phases
    )
    return config.model_copy(update={"train": train.model_copy(update={"phases": phases})})


def total_steps(config: TrainConfig) -> int:
    """Steps of all phases together; epochs must have been turned into steps."""
    return sum(phase.steps or 0 for phase in config.phases)


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then the schedule; `step` counts from 0."""
    total = total_steps(config)
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if isinstance(config.schedule, StepSchedule):
        passed = sum(step >= part * total for part in config.schedule.milestones)
        return config.learning_rate * config.schedule.gamma**passed
    progress = (step - config.warmup_steps) / max(total - config.warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def size_at(step: int, config: TrainConfig) -> tuple[int, int]:
    """Height and width of the pictures at `step`."""
    for phase in config.phases:
        if step < (phase.steps or 0):
            return phase.size_hw
        step -= phase.steps or 0
    return config.phases[-1].size_hw


def step_seed(seed: int, step: int, rank: int) -> int:
    """Seed of all that is drawn in one step of one process."""
    return int(np.random.SeedSequence([seed, 3, step, rank]).generate_state(1)[0])
