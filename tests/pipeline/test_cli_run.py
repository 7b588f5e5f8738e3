"""What the main job refuses before it writes anything."""

from __future__ import annotations

from pathlib import Path

import pytest
import search_builders as build

from pipeline.cli_run import check_embedder
from pipeline.cli_session import Place
from pipeline.config import ConfigError, RunConfig
from reid.weights_file import DEFAULT_WEIGHTS, load_weights


def config() -> RunConfig:
    return RunConfig.model_validate({"cameras": [{"id": "lobby", "url": "demo:lobby"}]})


def place(tmp_path: Path, fingerprint: str, pictures: int = 2) -> Place:
    """An archive of one tracklet."""
    with build.open_archive(tmp_path) as store:
        tracklet = build.tracklet("t1", "red", pictures=pictures, fingerprint=fingerprint)
        store.add_tracklets([tracklet], build.RUN)
    return Place.of(tmp_path / "store", media=tmp_path / "media")


def test_an_archive_of_another_embedder_is_refused(tmp_path: Path) -> None:
    there = place(tmp_path, "older")
    with pytest.raises(ConfigError) as caught:
        check_embedder(there, config())
    said = str(caught.value)
    assert said.startswith(f"embedder.weights: {DEFAULT_WEIGHTS.name}")
    assert "older (2 pictures)" in said
    assert f"`{there.command('reembed')}`" in said
    assert "\n" not in said


def test_the_same_embedder_goes_on(tmp_path: Path) -> None:
    check_embedder(place(tmp_path, load_weights(DEFAULT_WEIGHTS)[2]), config())


def test_tracks_without_pictures_have_no_vectors(tmp_path: Path) -> None:
    check_embedder(place(tmp_path, "older", pictures=0), config())


def test_where_there_is_no_archive(tmp_path: Path) -> None:
    check_embedder(Place.of(tmp_path / "nothing"), config())
    assert not (tmp_path / "nothing").exists()
