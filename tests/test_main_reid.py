"""The archive as a data set of the ReID commands, from the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer.main

from main import app
from pipeline.cli_reid import STORES
from reid.classical.system import LomoXqda
from reid.cli import app as reid_app
from reid.data.market import read_image_bgr
from reid.data.source import data_folder, parse_data
from reid.errors import ReidError
from tests.pipeline.reid_store import CAMERAS, full_store, make_store, sighting
from tests.reid.reid_builders import tiny_weights, tiny_yaml
from tests.test_main import Result, call
from ui.actions import confirm_sighting

DOOR, HALL, _ = CAMERAS
LOMO = "name: small\nclassical: {name: lomo_xqda, components: 20}\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight people in three cameras."""
    folder = tmp_path_factory.mktemp("archive") / "store"
    full_store(folder).close()
    return folder


@pytest.fixture(scope="module")
def lomo(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Path:
    """LOMO + XQDA, fitted to the store's training half."""
    folder = tmp_path_factory.mktemp("lomo")
    (folder / "small.yaml").write_text(LOMO)
    words = ("--config", folder / "small.yaml", "--data", f"tracklets={store}")
    done = call("reid", "train", *words, "--out", folder / "run", "--quiet")
    assert done.exit_code == 0, done.stderr
    return folder / "run" / "model.safetensors"


def refused(done: Result) -> str:
    """The one line of a command that found bad input."""
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_training_on_a_store(tmp_path: Path, store: Path) -> None:
    config = tiny_yaml(tmp_path / "tiny.yaml", steps=2)
    words = ("--config", config, "--data", f"tracklets={store}", "--out", tmp_path / "run")
    done = call("reid", "train", *words, "--threads", 1, "--json")
    assert done.exit_code == 0, done.stderr
    assert Path(json.loads(done.stdout)["weights"]).is_file()
    record = json.loads((tmp_path / "run" / "log.jsonl").read_text())
    assert record["step"] == 2
    assert np.isfinite(record["loss"])


def test_a_store_is_scored_by_tracklets(
    store: Path, lomo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Against the mean of each tracklet's features and single-query scores, counted by hand."""
    words = ("--data", f"tracklets={store}", "--weights", lomo, "--json")
    done = call("reid", "evaluate", *words)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["queries"] == 16, "four people, four tracklets each"
    assert "no operator confirmed the identity of 16 of the 16 tracklets" in caplog.text
    system = LomoXqda.load(lomo)
    places = [(who, camera, n) for who in (1, 3, 5, 7) for camera in CAMERAS for n in (0, 1)]
    means, labels = [], []
    for who, camera, number in places:
        files = sorted((store / "media").rglob(f"{camera}-{who}-{number}_*.jpg"))
        if files:
            crops = [read_image_bgr(file) for file in files]
            means.append(system.embed(crops).features.astype(np.float64).mean(0))
            labels.append((who, camera))
    first, precisions = 0, []
    for row, (who, camera) in enumerate(labels):
        others = [k for k in range(len(labels)) if labels[k] != (who, camera)]
        others.sort(key=lambda k: float(np.square(means[row] - means[k]).sum()))
        right = [rank for rank, k in enumerate(others, 1) if labels[k][0] == who]
        first += right[0] == 1
        precisions.append(np.mean([n / rank for n, rank in enumerate(right, 1)]))
    assert len(precisions) == 16
    assert found["rank1"] == pytest.approx(100 * first / 16)
    assert found["mAP"] == pytest.approx(100 * np.mean(precisions))


def test_confirmed_tracklets_alone(
    tmp_path: Path, lomo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    people = [sighting(who, camera) for who in (1, 3) for camera in (DOOR, HALL)]
    with make_store(tmp_path / "store", people) as store:
        confirm_sighting(store, 1, "door-1-0", "tester")
    words = ("--weights", lomo, "--json", "--quiet")
    done = call("reid", "evaluate", "--data", f"tracklets_confirmed={tmp_path / 'store'}", *words)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["queries"] == 2
    assert not caplog.records
    done = call("reid", "evaluate", "--data", f"tracklets={tmp_path / 'store'}", *words)
    assert json.loads(done.stdout)["queries"] == 4
    assert "identity of 2 of the 4 tracklets" in caplog.text


def no_store(folder: Path) -> None:
    folder.mkdir()


def empty(folder: Path) -> None:
    make_store(folder, []).close()


def one_camera(folder: Path) -> None:
    make_store(folder, [sighting(who, DOOR) for who in range(1, 9)]).close()


def one_picture_each(folder: Path) -> None:
    people = [sighting(who, CAMERAS[who % 3], pictures=1) for who in range(1, 9)]
    make_store(folder, people).close()


def pictures_gone(folder: Path) -> None:
    full_store(folder).close()
    for path in (folder / "media").rglob("*.jpg"):
        path.unlink()


def a_file(folder: Path) -> None:
    folder.write_bytes(b"not a folder")


@pytest.mark.parametrize(
    ("make", "trained", "scored"),
    [
        (no_store, "no store of the main job", "no store of the main job"),
        (empty, "no tracklets with pictures yet", "no tracklets with pictures yet"),
        (one_camera, "one camera only (door)", "one camera only (door)"),
        (one_picture_each, "(even identity numbers) has two pictures", "nothing to query"),
        (pictures_gone, "no such picture, though the store", "no such picture, though the store"),
        (a_file, "tracklets is read from a folder only", "tracklets is read from a folder only"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    tmp_path: Path, lomo: Path, make: Callable[[Path], None], trained: str, scored: str
) -> None:
    folder, out = tmp_path / "archive", tmp_path / "run"
    make(folder)
    data = ("--data", f"tracklets={folder}", "--quiet")
    config = tiny_yaml(tmp_path / "tiny.yaml", steps=2)
    done = call("reid", "train", "--config", config, *data, "--out", out)
    line = refused(done)
    assert trained in line
    assert str(folder) in line
    assert not out.exists()
    done = call("reid", "evaluate", "--weights", lomo, *data)
    line = refused(done)
    assert scored in line
    assert str(folder) in line


def test_too_few_people_for_a_batch(tmp_path: Path, store: Path) -> None:
    config = tiny_yaml(tmp_path / "tiny.yaml", steps=2)
    words = ("--config", config, "--data", f"tracklets={store}", "--out", tmp_path / "run")
    line = refused(call("reid", "train", *words, "train.identities_per_batch=5"))
    assert line == "4 identities, but a batch needs 5: lower identities_per_batch"


def test_every_command_with_data_knows_the_names(tmp_path: Path, store: Path, lomo: Path) -> None:
    commands = typer.main.get_command(app).commands["reid"].commands  # type: ignore[attr-defined]
    for name in ("train", "evaluate"):
        (help_text,) = [p.help for p in commands[name].params if p.name == "data"]
        assert set(STORES.layouts) <= set(re.findall(r"\w+", help_text))
    config = tiny_yaml(tmp_path / "tiny.yaml")
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    picture = next((store / "media").rglob("*.jpg"))
    for words in (
        ("train", "--config", config),
        ("compare", config, "--weights", f"tiny={weights}"),
        ("evaluate", "--weights", lomo),
        ("rank", "--query", picture, "--weights", weights, "--out", tmp_path / "rank.png"),
    ):
        line = refused(call("reid", *words, "--data", "duke=x"))
        assert line.startswith("--data duke=x: unknown data set 'duke'; known: market1501, ")
        assert line.endswith(", mars, tracklets, tracklets_confirmed")


def test_the_library_alone_knows_no_stores(store: Path) -> None:
    with pytest.raises(ReidError, match="unknown data set 'tracklets'; known: market1501, "):
        parse_data(f"tracklets={store}")
    found = parse_data(f"tracklets={store}", STORES)
    with data_folder(found) as source:
        assert source == found
    known = "known: .*, mars, tracklets, tracklets_confirmed$"
    with pytest.raises(ReidError, match=known):
        parse_data("duke=x", STORES)
    assert typer.main.get_command(reid_app).context_settings.get("obj") is None
