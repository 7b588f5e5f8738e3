"""The annotated example names every setting, so that it cannot drift from the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from pipeline.config import RunConfig, load_config
from pipeline.config.messages import model_in

CONFIGS = Path(__file__).parents[2] / "configs"


def uncommented() -> str:
    """The example with its switched-off settings ("#   key: value") switched on."""
    text = (CONFIGS / "cams.yaml").read_text(encoding="utf-8")
    return re.sub(r"(?m)^#(?=   [a-z_]+:)", " ", text)


def settings(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Every dotted key with its description."""
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is None:
            found[prefix + name] = field.description or ""
        else:
            found |= settings(inner, f"{prefix}{name}.")
    return found


def written(data: object, prefix: str = "") -> set[str]:
    """Every dotted key of parsed YAML; list indices are left out."""
    if isinstance(data, list):
        return set().union(*(written(entry, prefix) for entry in data)) if data else set()
    if not isinstance(data, dict):
        return set()
    keys: set[str] = set()
    for name, value in data.items():
        keys |= {f"{prefix}{name}"} | written(value, f"{prefix}{name}.")
    return keys


def test_example_names_every_setting() -> None:
    missing = set(settings(RunConfig)) - written(yaml.safe_load(uncommented()))
    assert not missing


@pytest.mark.parametrize("name", ["cams.yaml", "demo.yaml"])
def test_shipped_configurations_load(name: str) -> None:
    assert len(load_config(CONFIGS / name).cameras) >= 2


def test_example_loads_with_every_option_switched_on(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    text = uncommented().replace("demo:lobby\n", "clip.mp4\n")
    (tmp_path / "cams.yaml").write_text(text, encoding="utf-8")
    camera = load_config(tmp_path / "cams.yaml").cameras[0]
    assert camera.start_time is not None
    assert camera.fps_cap == 12.5
    assert len(camera.ignore_zones[0]) == 4


def test_example_shows_the_defaults() -> None:
    example = load_config(CONFIGS / "cams.yaml")
    for name in ("detector", "embedder", "tracker", "association", "tracklets", "transport", "ui"):
        group = getattr(example, name)
        assert group == type(group)(), name
    assert (example.workers, example.retention_days) == (1, None)


@pytest.mark.parametrize(("key", "text"), sorted(settings(RunConfig).items()))
def test_every_setting_is_described(key: str, text: str) -> None:
    assert len(text) > 20, key
    field_is_optional = key not in {
        "cameras.id", "cameras.url", "cameras.neighbours.camera", "cameras.neighbours.transit_s",
    }  # fmt: skip
    assert not field_is_optional or "default" in text, f"{key}: say the default"


@pytest.mark.parametrize(
    "key",
    [
        "cameras.fps_cap", "cameras.neighbours.transit_s", "detector.image_size",
        "detector.confidence", "detector.detect_fps", "detector.batch_size",
        "embedder.max_interval_s", "association.link_probability", "association.window_s",
        "tracklets.max_piece_s", "workers", "retention_days",
    ],
)  # fmt: skip
def test_every_knob_says_what_gets_worse(key: str) -> None:
    assert "Raising" in settings(RunConfig)[key]
