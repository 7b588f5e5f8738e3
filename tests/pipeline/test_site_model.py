"""When an archive gets an embedder of its own, and when not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import site_model
from pipeline.config import RunConfig
from pipeline.embedder import load_embedder
from pipeline.site_model import SITE_WEIGHTS, with_site_model, write_fitted
from reid.backbones.registry import OSNetConfig
from reid.build import build_model
from reid.config import ModelConfig
from reid.errors import ReidError
from reid.heads.aligned import AlignedConfig
from reid.inference import network_input
from reid.network import ReidNetwork
from reid.site_adaptation import MIN_CROPS
from reid.weights_file import DEFAULT_WEIGHTS, load_weights, read_model_config, save_weights


def _config(**embedder: object) -> RunConfig:
    cameras = [{"id": "lobby", "url": "demo:lobby"}]
    return RunConfig.model_validate(
        {"cameras": cameras, "embedder": {"adapt_to_site": True, **embedder}}
    )


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Records where weights would be fitted, and writes a file there."""
    calls: list[Path] = []

    def fit(config: RunConfig, path: Path) -> bool:
        calls.append(path)
        path.write_bytes(b"weights")
        return True

    monkeypatch.setattr(site_model, "_fit", fit)
    return calls


def test_a_new_archive_is_fitted_once(tmp_path: Path, fitted: list[Path]) -> None:
    first = with_site_model(_config(), tmp_path, archive_is_new=True)
    second = with_site_model(_config(), tmp_path, archive_is_new=False)
    assert fitted == [tmp_path / SITE_WEIGHTS]
    assert first.embedder.weights == second.embedder.weights == tmp_path / SITE_WEIGHTS


def test_what_is_interrupted_leaves_no_embedder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Carrying the read-out over fails; an archive would else keep an embedder without one."""

    def interrupted(source: Path, to: Path, crops: list[np.ndarray]) -> None:
        assert to.read_bytes() == b"fitted"
        raise KeyboardInterrupt

    crop = np.zeros((8, 4, 3), np.uint8)
    monkeypatch.setattr(site_model.Detector, "load", lambda self: None)
    monkeypatch.setattr(site_model, "_crops", lambda *given: [crop] * MIN_CROPS)
    monkeypatch.setattr(
        site_model, "write_fitted", lambda weights, crops, path: path.write_bytes(b"fitted")
    )
    monkeypatch.setattr(site_model, "carry_readout", interrupted)
    with pytest.raises(KeyboardInterrupt):
        with_site_model(_config(), tmp_path, archive_is_new=True)
    assert not (tmp_path / SITE_WEIGHTS).exists()
    monkeypatch.setattr(site_model, "carry_readout", lambda *given: None)
    with_site_model(_config(), tmp_path, archive_is_new=True)
    assert [path.name for path in tmp_path.iterdir()] == [SITE_WEIGHTS]


def test_an_archive_with_people_keeps_the_embedder_it_has(
    tmp_path: Path, fitted: list[Path]
) -> None:
    config = with_site_model(_config(), tmp_path, archive_is_new=False)
    assert config.embedder.weights is None
    assert not fitted


def test_it_can_be_switched_off(tmp_path: Path, fitted: list[Path]) -> None:
    config = with_site_model(_config(adapt_to_site=False), tmp_path, archive_is_new=True)
    assert config.embedder.weights is None
    assert not fitted


def test_an_archive_keeps_its_embedder_when_fitting_is_switched_off(
    tmp_path: Path, fitted: list[Path]
) -> None:
    with_site_model(_config(), tmp_path, archive_is_new=True)
    config = with_site_model(_config(adapt_to_site=False), tmp_path, archive_is_new=False)
    assert config.embedder.weights == tmp_path / SITE_WEIGHTS


def test_configured_weights_are_left_alone(tmp_path: Path, fitted: list[Path]) -> None:
    chosen = _config(weights=str(DEFAULT_WEIGHTS))
    assert with_site_model(chosen, tmp_path, archive_is_new=True) == chosen
    assert not fitted


NETWORK = ModelConfig(
    backbone=OSNetConfig(width=0.25, instance_norm=False),
    head=AlignedConfig(global_dim=16, part_count=4, part_dim=8),
)


def test_any_weights_of_ours_are_fitted_to_the_crops_as_they_are_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shift(model: ReidNetwork, pictures: np.ndarray) -> ReidNetwork:
        model.backbone.stem[0][1].running_mean.fill_(pictures.mean())  # type: ignore[index]
        return model

    own, fitted = tmp_path / "own", tmp_path / "fitted"
    torch.manual_seed(0)
    model = build_model(NETWORK).eval()
    save_weights(model, NETWORK, (64, 32), own)
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 255, (20 + 20 * n, 25, 3), np.uint8) for n in range(4)]
    monkeypatch.setattr(site_model, "adapt_batch_statistics", shift)
    write_fitted(own, crops, fitted)
    network, input_hw, fingerprint = load_weights(fitted)
    assert (input_hw, read_model_config(fitted)) == ((64, 32), NETWORK)
    assert fingerprint != load_weights(own)[2]
    mean = network_input(crops, (64, 32), 4)[0].mean()
    found = network.backbone.stem[0][1].running_mean  # type: ignore[index]
    np.testing.assert_allclose(found.numpy(), mean, rtol=1e-3)  # kept in half precision
    before, after = model.state_dict(), network.state_dict()
    changed = [name for name in after if not torch.equal(before[name].half(), after[name].half())]
    assert changed == ["backbone.stem.0.1.running_mean"]


def test_too_few_crops_write_nothing(tmp_path: Path) -> None:
    crops = [np.zeros((30, 15, 3), np.uint8)] * (MIN_CROPS - 1)
    with pytest.raises(ReidError, match="95 crops"):
        write_fitted(DEFAULT_WEIGHTS, crops, tmp_path / "fitted")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_demo_is_fitted_with_the_shipped_models(tmp_path: Path) -> None:
    config = with_site_model(_config(), tmp_path / "store", archive_is_new=True)
    assert config.embedder.weights == tmp_path / "store" / SITE_WEIGHTS
    own, shipped = load_embedder(config.embedder.weights), load_embedder()
    assert own.fingerprint != shipped.fingerprint
    assert own.input_hw == shipped.input_hw
    assert own.readout is not None
    assert shipped.readout is not None
    assert own.readout.options == shipped.readout.options
    assert own.readout.fingerprint == own.fingerprint
