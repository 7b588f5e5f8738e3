"""The YAML of a system: what is refused, and overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from reid_builders import tiny_config, tiny_yaml

from reid.backbones.registry import OSNetConfig
from reid.classical.config import is_classical, load_classical_config
from reid.cli import parse_overrides
from reid.config import ModelConfig, load_reid_config
from reid.errors import ReidError
from reid.heads.aligned import AlignedConfig

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "reid").glob("[!_]*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_system_loads_and_is_named_like_its_file(path: Path) -> None:
    load = load_classical_config if is_classical(path) else load_reid_config
    assert load(path).name == path.stem


def test_a_file_holds_the_whole_configuration(tmp_path: Path) -> None:
    assert load_reid_config(tiny_yaml(tmp_path / "a.yaml")) == tiny_config()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"typo": 1}, "a.yaml: typo: unknown key"),
        ({"model.backbone.widht": 0.5}, "a.yaml: model.backbone.widht: unknown key"),
        ({"model": 3}, "a.yaml: model:"),
        ({"model.backbone.width": "wide"}, "a.yaml: model.backbone.width:"),
        ({"model.backbone.width": 0}, "a.yaml: model.backbone.width:"),
        ({"model.backbone": {"name": "vgg"}}, "a.yaml: model.backbone:"),
        ({"train.phases": []}, "a.yaml: train.phases:"),
        ({"train.phases.0.size_hw": [64]}, "train.phases.0.size_hw"),
        ({"train.phases.0.size_hw": [0, 64]}, "train.phases.0.size_hw.0"),
        ({"train.phases.0.steps": 0}, "train.phases.0.steps"),
        ({"train.phases.0.epochs": 2}, "train.phases.0: give either steps or epochs"),
        ({"train.phases.7.steps": 1}, "train.phases.7.steps: unknown key"),
        ({"train.phases.first.steps": 1}, "train.phases.first.steps: unknown key"),
        ({"name.first": 1}, "name.first: unknown key"),
        ({"train.images_per_identity": 1}, "train.images_per_identity"),
        ({"losses.trihard.weight": -1}, "losses.trihard.weight"),
        ({"input_hw": [-1, 2]}, "input_hw.0"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ReidError) as caught:
        load_reid_config(tiny_yaml(tmp_path / "a.yaml"), overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"classical.components": 0}, "lomo_xqda.yaml: classical.components:"),
        ({"classical.regulariser": 0}, "lomo_xqda.yaml: classical.regulariser:"),
        ({"classical.name": "sift"}, "lomo_xqda.yaml: classical.name:"),
        ({"classical.windows": 3}, "lomo_xqda.yaml: classical.windows: unknown key"),
        ({"train.seed": 1}, "lomo_xqda.yaml: train: unknown key"),
    ],
)
def test_mistakes_in_a_classical_system(overrides: dict[str, Any], message: str) -> None:
    path = next(path for path in SHIPPED if path.stem == "lomo_xqda")
    with pytest.raises(ReidError) as caught:
        load_classical_config(path, overrides)
    assert message in str(caught.value)


def test_overrides_replace_and_add(tmp_path: Path) -> None:
    path = tiny_yaml(tmp_path / "a.yaml")
    found = load_reid_config(
        path,
        {
            "train.seed": 4,
            "train.phases.0.steps": 9,
            "model.backbone.width": 0.5,
            "input_hw": [96, 48],
        },
    )
    assert found.train.seed == 4
    assert found.train.phases[0].steps == 9
    assert isinstance(found.model.backbone, OSNetConfig)
    assert found.model.backbone.width == 0.5
    assert found.input_hw == (96, 48)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: [", "not YAML"),
        (b"- a list", "a mapping of keys"),
        (b"", "a mapping of keys"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"name: a", "model: Field required"),
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
    found = parse_overrides(
        ["train.seed=1", "name=x=y", "input_hw=[1, 2]", "losses.aligned.weight=2e-1"]
    )
    assert found["train.seed"] == 1
    assert found["name"] == "x=y"
    assert found["input_hw"] == [1, 2]


@pytest.mark.parametrize("word", ["train.seed", "=1", "a=[1"])
def test_bad_override_words(word: str) -> None:
    with pytest.raises(ReidError):
        parse_overrides([word])


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ({"kind": "metric", "miner": "all_pairs"}, "miner all_pairs gives pairs; loss triplet"),
        (
            {"kind": "metric", "loss": "quadruplet", "miner": "margin_sample"},
            "loss quadruplet needs triplets to complete; miner margin_sample gives none",
        ),
        (
            {"kind": "metric", "loss": "contrastive", "margin": None},
            "loss contrastive needs a margin",
        ),
        ({"kind": "metric", "miner": "hardest"}, "losses.new.miner"),
        ({"kind": "location"}, "losses.new needs boxes, which head aligned does not give"),
        ({"kind": "part_identity"}, "losses.new needs part_logits"),
        ({"kind": "attributes"}, "losses.new needs attributes"),
        ({"kind": "hinge"}, "losses.new"),
        ({"weight": 1.0}, "losses.new"),
    ],
)
def test_combinations_without_sense_are_refused(
    tmp_path: Path, term: dict[str, Any], message: str
) -> None:
    with pytest.raises(ReidError) as caught:
        load_reid_config(tiny_yaml(tmp_path / "a.yaml"), {"losses.new": term})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parts_are_needed_for_the_aligned_distance(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match=r"losses\.aligned needs parts, which head bnneck"):
        load_reid_config(tiny_yaml(tmp_path / "a.yaml"), {"model.head": {"name": "bnneck"}})


def test_a_term_that_is_off_needs_nothing(tmp_path: Path) -> None:
    term = {"kind": "location", "weight": 0}
    load_reid_config(tiny_yaml(tmp_path / "a.yaml"), {"losses.new": term})


def extending(folder: Path, text: str) -> Path:
    tiny_yaml(folder / "base.yaml")
    path = folder / "b.yaml"
    path.write_text("extends: base.yaml\nname: b\n" + text)
    return path


def test_a_file_extends_another(tmp_path: Path) -> None:
    text = "train: {seed: 7}\nlosses: {trihard: {margin: 0.5}, aligned: null}\n"
    found = load_reid_config(extending(tmp_path, text))
    base = load_reid_config(tmp_path / "base.yaml")
    assert found.name == "b"
    assert found.train == base.train.model_copy(update={"seed": 7})
    assert list(found.losses) == ["identity", "trihard"]
    assert found.losses["trihard"].model_dump() == (
        base.losses["trihard"].model_dump() | {"margin": 0.5}
    )


def test_another_component_replaces_the_old_one_whole(tmp_path: Path) -> None:
    text = "model: {head: {name: bnneck}}\nlosses: {aligned: null}\n"
    assert load_reid_config(extending(tmp_path, text)).model.head.name == "bnneck"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: none.yaml", "none.yaml: No such file"),
        ("extends: 3", "a.yaml: extends: the name of a YAML file"),
        ("extends: a.yaml", "extend each other in a ring"),
    ],
)
def test_what_cannot_be_extended(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ReidError, match=message):
        load_reid_config(path)


def test_flat_models_of_older_weight_files() -> None:
    flat = {"backbone": "osnet", "width": 0.5, "global_dim": 32, "part_count": 6, "part_dim": 8}
    found = ModelConfig.model_validate(flat)
    assert found.backbone == OSNetConfig(width=0.5)
    assert found.head == AlignedConfig(global_dim=32, part_count=6, part_dim=8)


def test_a_system_does_not_inherit_the_figures_of_another_paper() -> None:
    folder = SHIPPED[0].parent
    found = load_reid_config(folder / "ide_resnet50.yaml").paper
    assert found is not None
    assert (found.rank1, found.mean_ap, found.note) == (None, None, "ImageNet start")
    base = load_reid_config(folder / "bnneck_resnet50.yaml").paper
    assert base is not None
    assert base.rank1 == 94.5


@pytest.mark.parametrize("name", ["step", "loss", "type", "keys", "a.b", "gradient_penalty", "2"])
def test_names_that_a_loss_cannot_have(tmp_path: Path, name: str) -> None:
    data = tiny_config().model_dump(mode="json")
    data["losses"][name] = {"kind": "identity"}
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ReidError, match="cannot be the name of a loss") as caught:
        load_reid_config(path)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"losses.identity.branches": {}}, "losses.identity.branches"),
        ({"train.seed": -1}, "train.seed"),
        ({"model.backbone.width": 0.001}, "model.backbone.width"),
        ({"mutual": {"posterior": 0, "metric": 0}}, "mutual: every weight is 0"),
        (
            {"losses.trihard.loss": "quadruplet", "train.identities_per_batch": 2},
            "losses.trihard needs 3 identities in a batch",
        ),
        (
            {
                "model.head": {"name": "pmm", "mix": "cutmix"},
                "losses.aligned": None,
            },
            "losses.identity: head pmm mixes labels; use kind mixed_identity",
        ),
        (
            {
                "model.backbone": {"name": "hrnet"},
                "gradient_penalty": {"maps": ["stage1"]},
            },
            "gradient_penalty.maps: hrnet",
        ),
    ],
)
def test_settings_that_would_fail_later_are_refused(
    tmp_path: Path, overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises(ReidError) as caught:
        load_reid_config(tiny_yaml(tmp_path / "a.yaml"), overrides)
    assert message in str(caught.value)
