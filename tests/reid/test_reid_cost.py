"""What networks cost: against counts by hand, published figures and a clock that is set."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from reid_builders import TINY, TINY_HW, TinyBackbone, tiny_config, tiny_model

from reid import cost
from reid.build import build_model
from reid.config import ModelConfig, load_reid_config
from reid.cost import BATCH, median_seconds, multiply_adds, network_cost, system_cost
from reid.heads.bnneck import BNNeckConfig
from reid.network import ReidNetwork

CONFIGS = Path(__file__).parents[2] / "configs" / "reid"


def small(identities: int = 0) -> ReidNetwork:
    trunk = TinyBackbone()
    config = BNNeckConfig(dim=8, reduction="linear")
    return ReidNetwork(trunk, config.build(trunk, identities)).eval()


def test_multiply_adds_by_hand() -> None:
    """5x5 convolutions of TinyBackbone at 64 x 32, then the layer from 16 to 8."""
    by_hand = 0
    height, width = 64, 32
    for inputs, outputs, stride in ((3, 8, 4), (8, 8, 2), (8, 16, 2), (16, 16, 1)):
        height, width = height // stride, width // stride
        by_hand += height * width * outputs * inputs * 5 * 5
    by_hand += 16 * 8
    assert multiply_adds(small(), (64, 32)) == by_hand
    assert network_cost(small(), (64, 32), timing=False).gflops == pytest.approx(by_hand / 1e9)


def test_resnet50_costs_what_is_published() -> None:
    """torchvision: 25,557,032 parameters and 4.09 GFLOPs at 224 x 224, of which the classifier
    has 2,049,000 and 0.002; the neck adds a batch normalisation of 2048."""
    model = ModelConfig.model_validate(
        {
            "backbone": {"name": "resnet50", "last_stride": 2},
            "head": {"name": "bnneck", "dim": 2048, "reduction": "none"},
        }
    )
    found = network_cost(build_model(model).eval(), (224, 224), timing=False)
    assert found.parameters - (25_557_032 - 2_049_000) in (2048, 4096)  # with or without shift
    assert found.gflops == pytest.approx(4.087, abs=0.005)


def test_classifiers_are_refused() -> None:
    with pytest.raises(ValueError, match="has classifiers"):
        network_cost(small(identities=50), TINY_HW)


def test_cost_of_a_system_is_of_its_own_size() -> None:
    found = system_cost(tiny_config(), timing=False)
    assert found == network_cost(tiny_model(), TINY_HW, timing=False)
    assert (found.ms_per_crop, found.runtime) == (None, None)
    larger = network_cost(tiny_model(), (128, 64), timing=False)
    assert larger.parameters == found.parameters
    assert larger.gflops == pytest.approx(4 * found.gflops, rel=0.02)


def test_time_is_the_median_batch_per_crop(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []

    class Runner:
        def __init__(self, network: object, input_hw: tuple[int, int], threads: int) -> None:
            assert (input_hw, threads) == (TINY_HW, 3)

        def __call__(self, images: object) -> None:
            seen.append(images.shape)  # type: ignore[attr-defined]

    ticks = iter([0.0, 0.08, 1.0, 1.8, 2.0, 2.16])  # batches of 0.08, 0.8 and 0.16 s
    monkeypatch.setattr(cost, "OpenVinoRunner", Runner)
    monkeypatch.setattr(cost.time, "perf_counter", lambda: next(ticks))
    found = network_cost(tiny_model(), TINY_HW, threads=3, repeats=3)
    assert found.ms_per_crop == pytest.approx(1000 * 0.16 / BATCH)
    assert (found.runtime, found.threads) == ("openvino", 3)
    assert seen == [(8, 3, *TINY_HW)] * (3 + cost.WARM_UP)


def test_median_seconds_leaves_the_warm_up_out() -> None:
    pauses = iter([0.2, 0.0, 0.0, 0.0])
    assert median_seconds(lambda: time.sleep(next(pauses)), 3, warm_up=1) < 0.1


@pytest.mark.slow
def test_openvino_is_timed() -> None:
    found = network_cost(tiny_model(), TINY_HW, threads=1, repeats=1)
    assert found.runtime == "openvino"
    assert found.ms_per_crop is not None
    assert found.ms_per_crop > 0


def test_torch_is_timed_where_a_head_needs_joints() -> None:
    model = ModelConfig(backbone=TINY.backbone, head={"name": "spindle", "dim": 8})  # type: ignore[arg-type]
    threads = torch.get_num_threads()
    found = network_cost(build_model(model).eval(), TINY_HW, threads=1, repeats=1)
    assert found.runtime == "torch"
    assert found.ms_per_crop is not None
    assert found.ms_per_crop > 0
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("name", ["glad", "spindle", "mgre_given_boxes", "lstm_fusion"])
def test_systems_with_joints_and_cells_are_counted(name: str) -> None:
    found = system_cost(load_reid_config(CONFIGS / f"{name}.yaml"), timing=False)
    assert found.gflops > 0.01
    assert found.parameters > 100_000


def test_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="training mode"):
        network_cost(tiny_model().train(), TINY_HW)
