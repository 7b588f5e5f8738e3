"""What a network costs: parameters, multiply-adds of one crop, and milliseconds per crop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from reid.build import build_model
from reid.config import ReidConfig
from reid.data.joints import JOINTS
from reid.inference import OpenVinoRunner
from reid.network import ReidNetwork
from reid.training_state import without_classifiers

BATCH = 8
REPEATS = 9
WARM_UP = 3
CONVENTION = (
    "GFLOPs are 10^9 multiply-adds of one crop (one multiplication and one addition count as one, "
    "as papers count); matrix products and convolutions only"
)


@dataclass(frozen=True)
class Cost:
    """What searching with a network costs.

    Attributes:
        input_hw: height and width of the picture that it was measured at.
        parameters: of the network that searches, which has no classifiers.
        gflops: 10^9 multiply-adds of one crop, see `CONVENTION`.
        ms_per_crop: on the CPU in batches of 8, without the mirror image that
            `reid.inference.Embedder` adds; None where it was not measured.
        runtime: what ran it; torch for networks that need body joints. None without a time.
        threads: CPU threads; 0 is the runtime's own choice.
    """

    input_hw: tuple[int, int]
    parameters: int
    gflops: float
    ms_per_crop: float | None = None
    runtime: Literal["openvino", "torch"] | None = None
    threads: int = 0


def system_cost(system: ReidConfig, *, timing: bool = True, threads: int = 0) -> Cost:
    """Cost of a YAML's network with random weights, at the size that it is used at."""
    model = build_model(system.model).eval()
    return network_cost(model, system.input_hw, timing=timing, threads=threads)


def network_cost(
    network: ReidNetwork,
    input_hw: tuple[int, int],
    *,
    timing: bool = True,
    threads: int = 0,
    repeats: int = REPEATS,
) -> Cost:
    """Cost of a network without classifiers.

    Args:
        timing: False leaves the milliseconds out, which need seconds and a machine at rest.
        threads: CPU threads; 0 lets the runtime choose.
        repeats: timed batches after the warm-up, of which the median counts.

    Raises:
        ValueError: the network is in training mode, or has classifiers.
    """
    if network.training:
        raise ValueError("the network is in training mode: call eval() first")
    weights = dict(network.named_parameters())
    if len(without_classifiers(weights)) < len(weights):
        raise ValueError("the network has classifiers, which searching does without")
    parameters = sum(value.numel() for value in weights.values())
    gflops = multiply_adds(network, input_hw) / 1e9
    if not timing:
        return Cost(input_hw, parameters, gflops)
    joints = network.head.needs_joints
    run = (_torch_run if joints else _openvino_run)(network, input_hw, threads)
    milliseconds = 1000 * median_seconds(run, repeats) / BATCH
    runtime: Literal["openvino", "torch"] = "torch" if joints else "openvino"
    return Cost(input_hw, parameters, gflops, milliseconds, runtime, threads)


def multiply_adds(network: ReidNetwork, input_hw: tuple[int, int]) -> int:
    """Multiply-adds of one crop; torch's counter counts two operations for each."""
    like = next(network.parameters())
    image = torch.zeros(1, 3, *input_hw, dtype=like.dtype, device=like.device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image, _joints(network, 1, like))
    return int(counter.get_total_flops()) // 2


def median_seconds(run: Callable[[], object], repeats: int, warm_up: int = WARM_UP) -> float:
    """Median time of `repeats` calls, after `warm_up` that are not timed."""
    for _ in range(warm_up):
        run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def _openvino_run(
    network: ReidNetwork, input_hw: tuple[int, int], threads: int
) -> Callable[[], object]:
    """One batch through OpenVINO as `reid.inference` runs it."""
    runner = OpenVinoRunner(network, input_hw, threads)
    images = np.random.default_rng(0).standard_normal((BATCH, 3, *input_hw), np.float32)
    return lambda: runner(images)


def _torch_run(
    network: ReidNetwork, input_hw: tuple[int, int], threads: int
) -> Callable[[], object]:
    """One batch through torch on the CPU, with joints."""
    network = network.cpu()
    images = torch.randn(BATCH, 3, *input_hw, generator=torch.Generator().manual_seed(0))
    joints = _joints(network, BATCH, images)

    def run() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads or before)
        try:
            with torch.inference_mode():
                network(images, joints)
        finally:
            torch.set_num_threads(before)

    return run


def _joints(network: ReidNetwork, count: int, like: torch.Tensor) -> torch.Tensor | None:
    """Joints that were all unseen, which cost the same as seen ones: regions have fixed sizes."""
    if not network.head.needs_joints:
        return None
    return torch.full((count, len(JOINTS), 2), torch.nan, dtype=like.dtype, device=like.device)
