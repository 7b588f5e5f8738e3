"""An archive gets another embedder: vectors change, everything else stays, all or nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import search_builders as build
from typer.testing import CliRunner

from pipeline import reembed as module
from pipeline.config import RunConfig
from pipeline.reembed import Reembedded, reembed
from pipeline.run_folder import create_run
from pipeline.site_model import SITE_WEIGHTS
from reid.backbones.registry import OSNetConfig
from reid.build import build_model
from reid.config import ModelConfig
from reid.errors import ReidError
from reid.heads.aligned import AlignedConfig
from reid.inference import Embedder
from reid.site_adaptation import MIN_CROPS
from reid.weights_file import save_weights
from storage.errors import StoreError
from storage.records import LinkRecord, SearchFilter, TrackletRow
from storage.store import Store

TINY = ModelConfig(
    backbone=OSNetConfig(width=0.0625), head=AlignedConfig(global_dim=16, part_count=4, part_dim=8)
)


def weight_file(path: Path) -> Path:
    """Random weights of a tiny network."""
    save_weights(build_model(TINY).eval(), TINY, (64, 32), path)
    return path


def load_embedder(weights: Path) -> Embedder:
    """In torch, which is ready at once."""
    return Embedder(weights, runtime="torch", threads=1)


@pytest.fixture(autouse=True)
def in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_embedder", load_embedder)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return weight_file(tmp_path / "new.safetensors")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Two people in three tracklets of two pictures, and a track without a picture."""
    with build.open_archive(tmp_path) as store:
        people = [("t1", "red"), ("t2", "blue"), ("t3", "red")]
        tracklets = [build.tracklet(uuid, colour) for uuid, colour in people]
        store.add_tracklets([*tracklets, build.tracklet("t4", "red", pictures=0)], build.RUN)
        store.apply_links([LinkRecord("t1", "new", identity_key="a")])
        yield store


def run(store: Store, folder: Path, weights: Path, **settings: bool) -> Reembedded:
    return reembed(
        store,
        folder,
        weights,
        fit=settings.get("fit", False),
        actor="test",
        on_start=lambda count: lambda done: None,
    )


def test_all_vectors_are_the_new_embedders(store: Store, tmp_path: Path, weights: Path) -> None:
    done = run(store, tmp_path / "store", weights)
    embedder = load_embedder(weights)
    assert done == Reembedded(embedder.fingerprint, False, {"colour-1": 6}, 3, 6)
    found = store.exemplar_scan(SearchFilter(), embedder.fingerprint)
    assert len(found.row_ids) == 6
    for uuid, colour in (("t1", "red"), ("t2", "blue"), ("t3", "red")):
        wanted = embedder.embed([build.crop(colour, shade) for shade in (0, 20)])
        tracklet = store.tracklet(uuid)
        assert tracklet.fingerprint == embedder.fingerprint
        for row, exemplar in enumerate(tracklet.exemplars):
            # the stored pictures are JPEG
            assert exemplar.global_feature @ wanted.global_features[row] > 0.98
            assert exemplar.part_features.shape == wanted.part_features[row].shape
            np.testing.assert_array_equal(exemplar.part_visibility, wanted.part_visibility[row])


def test_everything_else_stays(store: Store, tmp_path: Path, weights: Path) -> None:
    def rows() -> list[TrackletRow]:
        return [dataclasses.replace(row, fingerprint="any") for row in store.tracklet_rows()]

    before = rows()
    links = store.links()
    run(store, tmp_path / "store", weights)
    assert rows() == before
    assert store.links() == links
    assert store.audit_log(1)[0].action == "reembed"


def test_the_archive_keeps_the_embedder(store: Store, tmp_path: Path, weights: Path) -> None:
    folder = tmp_path / "store"
    done = run(store, folder, weights)
    assert load_embedder(folder / SITE_WEIGHTS).fingerprint == done.fingerprint
    assert store.runs()[0].config["embedder"]["weights"] == str((folder / SITE_WEIGHTS).resolve())
    assert not list(folder.glob("unfinished*"))
    assert weights.is_file()


def test_fitted_where_there_are_enough_pictures(tmp_path: Path, weights: Path) -> None:
    with build.open_archive(tmp_path) as store:
        count = -(-MIN_CROPS // 2)
        store.add_tracklets([build.tracklet(f"t{n}", "red") for n in range(count)], build.RUN)
        done = run(store, tmp_path / "store", weights, fit=True)
        assert done.fitted
        assert done.fingerprint != load_embedder(weights).fingerprint
        again = run(store, tmp_path / "store", weights, fit=True)
        assert again.fingerprint == done.fingerprint
        assert again.before == {done.fingerprint: 2 * count}


def test_too_few_pictures_to_fit_to(store: Store, tmp_path: Path, weights: Path) -> None:
    assert not run(store, tmp_path / "store", weights, fit=True).fitted


def test_an_empty_archive(tmp_path: Path, weights: Path) -> None:
    with build.open_archive(tmp_path) as store:
        assert run(store, tmp_path / "store", weights).pictures == 0
    assert (tmp_path / "store" / SITE_WEIGHTS).is_file()


def _vectors(store: Store) -> np.ndarray:
    return store.exemplar_scan(SearchFilter(), "colour-1").vectors


@pytest.mark.parametrize("moment", ["embed", "store"])
def test_what_is_interrupted_changes_nothing(
    moment: str, store: Store, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _vectors(store)

    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    name = {"embed": "read_image_bgr", "store": "Reembedding"}[moment]
    with monkeypatch.context() as patch:
        patch.setattr(module, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(store, tmp_path / "store", weights)
    np.testing.assert_array_equal(_vectors(store), before)
    assert "embedder" not in store.runs()[0].config
    assert not list((tmp_path / "store").glob("*.safetensors"))
    assert not list((tmp_path / "store").glob("unfinished*"))
    run(store, tmp_path / "store", weights)


def _remove(store: Store, tmp_path: Path) -> None:
    store.media.locate(store.crop_paths()["t2"][1]).unlink()


def _damage(store: Store, tmp_path: Path) -> None:
    store.media.locate(store.crop_paths()["t2"][1]).write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("harm", "kind", "said"),
    [(_remove, StoreError, "t2_1.jpg: the picture is missing"), (_damage, ReidError, "t2_1.jpg")],
)
def test_a_picture_that_cannot_be_used(
    harm: Callable[[Store, Path], None],
    kind: type[Exception],
    said: str,
    store: Store,
    tmp_path: Path,
    weights: Path,
) -> None:
    before = _vectors(store)
    harm(store, tmp_path)
    with pytest.raises(kind, match=said):
        run(store, tmp_path / "store", weights)
    np.testing.assert_array_equal(_vectors(store), before)


def test_weights_that_are_none(store: Store, tmp_path: Path) -> None:
    (tmp_path / "none.safetensors").write_bytes(b"none")
    with pytest.raises(ReidError, match=r"none\.safetensors"):
        run(store, tmp_path / "store", tmp_path / "none.safetensors", fit=True)


def _config() -> RunConfig:
    return RunConfig.model_validate({"cameras": [{"id": "lobby", "url": "demo:lobby"}]})


def test_not_while_a_run_is_at_work(store: Store, tmp_path: Path, weights: Path) -> None:
    folder = create_run(tmp_path / "store", _config())
    folder.lock(0.0)  # held until this process ends
    with pytest.raises(StoreError, match=f"run {folder.run_uuid} is at work"):
        run(store, tmp_path / "store", weights)


def test_an_unfinished_run_is_named(store: Store, tmp_path: Path, weights: Path) -> None:
    folder = create_run(tmp_path / "store", _config())
    folder.set_state("stopped")
    assert run(store, tmp_path / "store", weights).unfinished_run == folder.run_uuid


def test_the_command(store: Store, tmp_path: Path, weights: Path) -> None:
    from main import app

    words = ["reembed", "--store", str(tmp_path / "store"), "--media", str(tmp_path / "media")]
    result = CliRunner().invoke(app, [*words, "--weights", str(weights), "--json"])
    assert result.exit_code == 0, result.stderr
    done = json.loads(result.stdout)["reembedded"]
    assert done["pictures"] == 6
    assert done["before"] == {"colour-1": 6}
    assert store.pictures_by_fingerprint() == {done["fingerprint"]: 6}
