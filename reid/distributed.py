"""Several processes, one per GPU, started by torchrun: each has its own batch, all one network.

Gradients are averaged after the backward pass instead of by DistributedDataParallel, which
cannot work with the second backward pass of a gradient penalty.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from reid.errors import ReidError

_PATIENCE = timedelta(hours=12)
"""How long one process waits for another: a teacher may embed for hours; torchrun ends the
others of a process that has died."""


@dataclass(frozen=True)
class Place:
    """Which process this is: `rank` of `world`; rank 0 writes files and speaks."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0


def join_group(device: str) -> tuple[Place, str]:
    """The place among torchrun's processes and the device of this one.

    Without torchrun (no WORLD_SIZE above 1 in the environment): alone, on `device`.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world < 2:
        return Place(), device
    if device == "cuda":
        device = f"cuda:{int(os.environ['LOCAL_RANK'])}"
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=_PATIENCE)
    return Place(dist.get_rank(), world), device


def leave_group() -> None:
    """End the group that `join_group` made, if any."""
    if dist.is_initialized():
        dist.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter], place: Place) -> None:
    """Every process gets the mean of all processes' gradients."""
    if place.world < 2:
        return
    gradients = [p.grad if p.grad is not None else _no_gradient(p) for p in parameters]
    flat = torch.cat([gradient.reshape(-1).float() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= place.world
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def any_process(here: bool, place: Place) -> bool:
    """Whether it is so in any process; all get the same answer, so that none waits for another.

    Every process must ask, equally often.
    """
    if place.world < 2:
        return here
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    answer = torch.tensor([int(here)], device=device)
    dist.all_reduce(answer, dist.ReduceOp.MAX)
    return bool(answer.item())


@contextmanager
def leader_first(place: Place) -> Iterator[None]:
    """Inside, rank 0 works while the others wait; then they do the same, from what it has left.

    Raises:
        ReidError: in the others, where rank 0 has failed.
    """
    if not place.leads and any_process(False, place):
        raise ReidError(f"process {place.rank}: the first process has failed")
    done = False
    try:
        yield
        done = True
    finally:
        if place.leads:
            any_process(not done, place)


def _no_gradient(parameter: nn.Parameter) -> Tensor:
    """A term may be off in one process's batch; the others' gradients still count."""
    parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def share_statistics(modules: nn.Module, place: Place) -> None:
    """Batch normalisation sees the batches of all GPUs together, in place."""
    if place.world > 1 and next(modules.parameters()).is_cuda:
        nn.SyncBatchNorm.convert_sync_batchnorm(modules)
