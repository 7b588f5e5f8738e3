"""`reid fit-attributes` and `reid attributes`: from a folder of pictures to a table of scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result
from reid_builders import tiny_weights
from test_reid_attributes import write
from typer.testing import CliRunner

import reid.inference
from reid.cli import app
from reid.cli_wearing import markdown
from reid.wearing.file import load_readout
from reid.weights_file import load_weights

PEOPLE = 48


@pytest.fixture(autouse=True)
def without_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our networks run in torch here: OpenVINO takes seconds to compile one."""
    monkeypatch.setattr(
        reid.inference, "OpenVinoRunner", lambda model, *_: reid.inference._TorchRunner(model)
    )


def picture(striped: bool, seed: int) -> np.ndarray:
    """(32, 16, 3): stripes two rows high, or two halves."""
    noise = np.random.default_rng(seed).normal(0, 10, (32, 16, 3))
    rows = np.arange(32) // (2 if striped else 16) % 2
    return np.clip(60 + 130 * rows[:, None, None] + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Market-1501's layout; those with a backpack, every other person, are striped."""
    root = tmp_path_factory.mktemp("people")
    for part, first in (("bounding_box_train", 1), ("query", 101), ("bounding_box_test", 101)):
        (root / part).mkdir()
        owned: dict[int, set[str]] = {}
        for identity in range(first, first + PEOPLE):
            owned[identity] = {"backpack"} if identity % 2 else set()
            for camera in (1, 2):
                name = f"{identity:04}_c{camera}s1_000001_00.png"
                image = picture(bool(identity % 2), 1000 * camera + identity)
                cv2.imwrite(str(root / part / name), image)
        write(root / f"market1501_attributes_{'train' if first == 1 else 'test'}.csv", owned)
    for name in ("0000_c1s1_000001_00.png", "-1_c1s1_000001_00.png"):
        cv2.imwrite(str(root / "bounding_box_test" / name), picture(True, 7))
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("weights") / "a.safetensors")


@pytest.fixture(scope="module")
def taught(weights: Path, folder: Path) -> Path:
    path = weights.with_name("taught.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            reid.inference, "OpenVinoRunner", lambda model, *_: reid.inference._TorchRunner(model)
        )
        found = call("fit-attributes", "--weights", weights, *given(folder), "--out", path)
    assert found.exit_code == 0, found.stderr
    return path


def given(folder: Path, attributes: Path | None = None) -> list[object]:
    return ["--data", f"market1501={folder}", "--attributes", attributes or folder, "--threads", 1]


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def spoken(*words: object) -> dict[str, Any]:
    found = call(*words, "--json")
    assert found.exit_code == 0, found.stderr
    return json.loads(found.stdout)


def test_fitting(weights: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.safetensors"
    found = spoken("fit-attributes", "--weights", weights, *given(folder), "--out", out)
    fingerprint = load_weights(weights)[2]
    assert found["fingerprint"] == load_weights(out)[2] == fingerprint
    assert (found["written"], found["seed"]) == (str(out), 0)
    assert (found["pictures"], found["people"], found["tracks"]) == (96, 48, 96)
    (backpack,) = found["questions"]
    assert backpack["question"] == "backpack"
    assert backpack["majority"] == 50
    assert backpack["balanced"] > 70
    readout = load_readout(out, fingerprint)
    assert readout is not None
    assert readout.options == ("no backpack", "backpack")


def test_scoring_the_gallerys_known_people(taught: Path, folder: Path) -> None:
    found = spoken("attributes", "--weights", taught, *given(folder))
    assert (found["pictures"], found["people"]) == (96, 48), "no distractor, no junk"
    (backpack,) = found["questions"]
    assert backpack["accuracy"] == backpack["balanced"] > 90
    assert [option["option"] for option in found["options"]] == ["no backpack", "backpack"]


def test_a_table_file_instead_of_the_folder(taught: Path, folder: Path) -> None:
    table = folder / "market1501_attributes_test.csv"
    one, other = (
        spoken("attributes", "--weights", taught, *given(folder, path)) for path in (None, table)
    )
    assert one == other


def test_text_says_what_guessing_reaches(taught: Path, folder: Path) -> None:
    found = call("attributes", "--weights", taught, *given(folder))
    assert "| question | pictures | majority | accuracy | balanced |" in found.stdout
    assert "Accuracy alone flatters rare attributes" in found.stdout


def test_markdown() -> None:
    rows = [{"name": "a", "x": 1.25, "y": None}, {"name": "long", "x": 100.0, "y": 3}]
    assert markdown(rows).splitlines() == [
        "| name |     x | y |",
        "|------|------:|--:|",
        "| a    |   1.2 | – |",
        "| long | 100.0 | 3 |",
    ]


def test_the_file_is_there_already(weights: Path, folder: Path, taught: Path) -> None:
    words = ("fit-attributes", "--weights", weights, *given(folder), "--out", taught)
    found = call(*words)
    assert found.exit_code == 2
    assert "taught.safetensors: exists already; add --overwrite" in found.stderr
    assert call(*words, "--overwrite").exit_code == 0


def test_bad_input(weights: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.safetensors"
    fit = ("fit-attributes", "--weights", weights, "--data", f"market1501={folder}")
    for words, message in (
        ((*fit, "--attributes", folder, "--out", tmp_path / "x.pt"), "ends in .safetensors"),
        (
            (*fit, "--attributes", tmp_path, "--out", out),
            "market1501_attributes_train.csv: No such",
        ),
        (
            ("attributes", "--weights", weights, *given(folder)),
            "a.safetensors: names no attributes",
        ),
    ):
        found = call(*words)
        assert found.exit_code == 2
        assert message in found.stderr
        assert len(found.stderr.strip().splitlines()) == 1
    assert not out.exists()
