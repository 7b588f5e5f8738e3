"""AdaBN: batch statistics of a site, everything else untouched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reid.backbones.registry import OSNetConfig
from reid.build import build_model
from reid.config import ModelConfig
from reid.errors import ReidError
from reid.heads.aligned import AlignedConfig
from reid.network import ReidNetwork
from reid.site_adaptation import MIN_CROPS, adapt_batch_statistics

CONFIG = ModelConfig(
    backbone=OSNetConfig(width=0.25, instance_norm=False),
    head=AlignedConfig(global_dim=16, part_count=4, part_dim=8),
)


@pytest.fixture(scope="module")
def model() -> ReidNetwork:
    torch.manual_seed(0)
    return build_model(CONFIG).eval()


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(2.0, 3.0, (128, 3, 64, 32)).astype(np.float32)


def test_statistics_are_those_of_the_pictures(model: ReidNetwork, pictures: np.ndarray) -> None:
    adapted = adapt_batch_statistics(model, pictures)
    convolution, norm = adapted.backbone.stem[0][0], adapted.backbone.stem[0][1]  # type: ignore[index]
    with torch.inference_mode():
        maps = convolution(torch.from_numpy(pictures))
    torch.testing.assert_close(norm.running_mean, maps.mean((0, 2, 3)), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(norm.running_var, maps.var((0, 2, 3)), atol=1e-3, rtol=2e-2)


def test_no_learnt_weight_changes_and_the_original_stays(
    model: ReidNetwork, pictures: np.ndarray
) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = adapt_batch_statistics(model, pictures).state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    changed = {name for name in before if not torch.equal(before[name], adapted[name])}
    assert changed
    assert all("running_" in name or "num_batches" in name for name in changed)


def test_it_is_deterministic_and_in_evaluation_mode(
    model: ReidNetwork, pictures: np.ndarray
) -> None:
    first, second = (adapt_batch_statistics(model, pictures) for _ in range(2))
    assert not any(layer.training for layer in first.modules())
    for one, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_too_few_crops_are_refused(model: ReidNetwork, pictures: np.ndarray) -> None:
    with pytest.raises(ReidError, match=f"{MIN_CROPS} are needed"):
        adapt_batch_statistics(model, pictures[: MIN_CROPS - 1])
