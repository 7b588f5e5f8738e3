"""The YAML of a system: what is refused, and overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from reid_builders import tiny_config, tiny_yaml

from reid.cli import parse_overrides
from reid.config import load_reid_config
from reid.errors import ReidError

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "reid").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_system_loads_and_is_named_like_its_file(path: Path) -> None:
    assert load_reid_config(path).name == path.stem


def test_a_file_holds_the_whole_configuration(tmp_path: Path) -> None:
    assert load_reid_config(tiny_yaml(tmp_path / "a.yaml")) == tiny_config()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"typo": 1}, "a.yaml: typo: unknown key"),
        ({"model.widht": 0.5}, "a.yaml: model.widht: unknown key"),
        ({"model": 3}, "a.yaml: model:"),
        ({"model.width": "wide"}, "a.yaml: model.width:"),
        ({"model.width": 0}, "a.yaml: model.width:"),
        ({"model.backbone": "vgg"}, "a.yaml: model.backbone:"),
        ({"train.phases": []}, "a.yaml: train.phases:"),
        ({"train.phases.0.size_hw": [64]}, "train.phases.0.size_hw"),
        ({"train.phases.0.size_hw": [0, 64]}, "train.phases.0.size_hw.0"),
        ({"train.phases.0.steps": 0}, "train.phases.0.steps"),
        ({"train.phases.7.steps": 1}, "train.phases.7.steps: unknown key"),
        ({"train.phases.first.steps": 1}, "train.phases.first.steps: unknown key"),
        ({"name.first": 1}, "name.first: unknown key"),
        ({"train.images_per_identity": 1}, "train.images_per_identity"),
        ({"loss.trihard": -1}, "loss.trihard"),
        ({"input_hw": [-1, 2]}, "input_hw.0"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ReidError) as caught:
        load_reid_config(tiny_yaml(tmp_path / "a.yaml"), overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_overrides_replace_and_add(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        yaml.safe_dump({"name": "a", "train": {"phases": [{"steps": 5, "size_hw": [64, 32]}]}})
    )
    found = load_reid_config(
        path, {"train.seed": 4, "train.phases.0.steps": 9, "model.width": 0.5, "input_hw": [96, 48]}
    )
    assert found.train.seed == 4
    assert found.train.phases[0].steps == 9
    assert found.model.width == 0.5
    assert found.input_hw == (96, 48)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: [", "not YAML"),
        (b"- a list", "a mapping of keys"),
        (b"", "a mapping of keys"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"name: a", "train: Field required"),
    ],
)
def test_unusable_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(ReidError, match=message):
        load_reid_config(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match=r"none.yaml: No such file"):
        load_reid_config(tmp_path / "none.yaml")


def test_override_words() -> None:
    found = parse_overrides(["train.seed=1", "name=x=y", "input_hw=[1, 2]", "loss.aligned=2e-1"])
    assert found["train.seed"] == 1
    assert found["name"] == "x=y"
    assert found["input_hw"] == [1, 2]


@pytest.mark.parametrize("word", ["train.seed", "=1", "a=[1"])
def test_bad_override_words(word: str) -> None:
    with pytest.raises(ReidError):
        parse_overrides([word])
