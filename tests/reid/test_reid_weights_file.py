"""Weight files: round trip, fingerprint, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from reid_builders import TINY, TINY_HW, tiny_model, tiny_weights
from safetensors import safe_open
from safetensors.torch import save_file

from reid.build import build_model
from reid.errors import ReidError
from reid.weights_file import load_weights, save_weights


def rewrite(path: Path, to: Path, **metadata: str) -> Path:
    """Copy a weight file with some metadata replaced; an empty value drops the key."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = (file.metadata() or {}) | metadata
    save_file(tensors, to, {key: value for key, value in about.items() if value})
    return to


def changed(section: str, **settings: object) -> str:
    """The tiny model's configuration with other settings, as a weight file holds it."""
    config = TINY.model_dump()
    config[section] |= settings
    return json.dumps(config)


def test_round_trip(tmp_path: Path) -> None:
    model = tiny_model()
    path = tmp_path / "folder" / "a.safetensors"
    save_weights(model, TINY, TINY_HW, path)
    loaded, size, fingerprint = load_weights(path)
    assert size == TINY_HW
    assert len(fingerprint) == 16
    assert not loaded.training
    for name, value in model.state_dict().items():
        expected = value.half().float() if value.dtype.is_floating_point else value
        torch.testing.assert_close(loaded.state_dict()[name], expected, atol=0, rtol=0)
    images = torch.randn(3, 3, *TINY_HW)
    with torch.no_grad():
        similar = (model(images)[0] * loaded(images)[0]).sum(1)
    assert float(similar.min()) > 0.995


def test_fp16_without_the_classifier(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(build_model(TINY, identities=5), TINY, TINY_HW, path)
    with safe_open(path, "pt") as file:
        kinds = {name: file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    assert not any(name.startswith("classifier") for name in kinds)
    assert {"neck.weight", "backbone.stem.0.0.weight"} <= kinds.keys()
    assert {kind for kind in kinds.values() if kind.is_floating_point} == {torch.float16}
    load_weights(path)


def test_saving_replaces_in_one_step(tmp_path: Path) -> None:
    path = tiny_weights(tmp_path / "a.safetensors", seed=0)
    before = load_weights(path)[2]
    tiny_weights(path, seed=1)
    assert load_weights(path)[2] != before
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    one, other = (tiny_weights(tmp_path / f"{name}.safetensors") for name in "ab")
    assert load_weights(one)[2] == load_weights(other)[2]


def test_one_weight_changes_the_fingerprint(tmp_path: Path) -> None:
    model = tiny_model()
    path = tiny_weights(tmp_path / "a.safetensors")
    before = load_weights(path)[2]
    with torch.no_grad():
        model.head.get_submodule("neck").weight[3] *= 1.01
    save_weights(model, TINY, TINY_HW, path)
    assert load_weights(path)[2] != before


@pytest.mark.parametrize(
    "metadata",
    [
        {"input_hw": "[96, 48]"},
        {"model": changed("head", part_count=8)},
    ],
    ids=["input size", "number of parts"],
)
def test_what_no_tensor_shows_changes_the_fingerprint(
    tmp_path: Path, metadata: dict[str, str]
) -> None:
    path = tiny_weights(tmp_path / "a.safetensors")
    other = rewrite(path, tmp_path / "b.safetensors", **metadata)
    assert load_weights(path)[2] != load_weights(other)[2]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"model": ""}, "not a Crosswalk ReID weight file"),
        ({"model": "{}x"}, "not a Crosswalk ReID weight file"),
        ({"model": '{"backbone": "vgg"}'}, "not a Crosswalk ReID weight file"),
        ({"input_hw": ""}, "not a Crosswalk ReID weight file"),
        ({"input_hw": "7"}, "not a Crosswalk ReID weight file"),
        ({"input_hw": "[7]"}, "not a Crosswalk ReID weight file"),
        ({"model": changed("backbone", width=0.125)}, "another architecture"),
        ({"model": changed("backbone", instance_norm=False)}, "another architecture"),
        ({"model": '{"backbone": "osnet", "width": 0.25}'}, "another architecture"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    path = tiny_weights(tmp_path / "a.safetensors")
    other = rewrite(path, tmp_path / "b.safetensors", **metadata)
    with pytest.raises(ReidError, match=message) as caught:
        load_weights(other)
    assert "b.safetensors" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02}q\x00." * 40, b"\xff" * 100])
def test_not_safetensors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ReidError, match=r"a.safetensors: not a safetensors file"):
        load_weights(path)


def test_a_cut_file(tmp_path: Path) -> None:
    path = tiny_weights(tmp_path / "a.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ReidError, match="not a safetensors file"):
        load_weights(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match="no such weight file"):
        load_weights(tmp_path / "a.safetensors")
