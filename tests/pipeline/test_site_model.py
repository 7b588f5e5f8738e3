"""When an archive gets an embedder of its own, and when not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import site_model
from pipeline.config import RunConfig
from pipeline.embedder import load_embedder
from pipeline.site_model import SITE_WEIGHTS, with_site_model
from reid.weights_file import DEFAULT_WEIGHTS


def _config(**embedder: object) -> RunConfig:
    cameras = [{"id": "lobby", "url": "demo:lobby"}]
    return RunConfig.model_validate({"cameras": cameras, "embedder": embedder})


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


def test_configured_weights_are_left_alone(tmp_path: Path, fitted: list[Path]) -> None:
    chosen = _config(weights=str(DEFAULT_WEIGHTS))
    assert with_site_model(chosen, tmp_path, archive_is_new=True) == chosen
    assert not fitted


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
