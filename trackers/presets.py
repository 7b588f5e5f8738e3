"""Trackers by name: one YAML file per preset, checked key by key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from trackers.crosswalk import CrosswalkConfig, CrosswalkTracker
from trackers.pieces import Tracker

PRESETS = Path(__file__).parents[1] / "configs" / "tracker"


class PresetError(ValueError):
    """A preset or an override that does not exist or does not fit; one line."""


def build_tracker(preset: str, overrides: Mapping[str, Any] | None = None) -> Tracker:
    """A new tracker of a preset.

    Args:
        preset: name of a file in configs/tracker, without .yaml, or a path to a YAML file.
        overrides: settings to change; parts by dotted names, such as `motion.position`.

    Raises:
        PresetError: no such preset, or a setting is unknown or of the wrong type.
    """
    path = Path(preset) if preset.endswith((".yaml", ".yml")) else PRESETS / f"{preset}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in PRESETS.glob("*.yaml")))
        raise PresetError(f"tracker.preset: no preset {preset!r}; there are: {names}")
    try:
        settings = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PresetError(f"{path.name}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(settings, dict):
        raise PresetError(f"{path.name}: a mapping of settings is expected")
    config = _configure(CrosswalkConfig(), settings)
    return CrosswalkTracker(_configure(config, overrides or {}))


def _configure(base: Any, settings: Mapping[str, Any]) -> Any:
    """Replace fields of nested frozen dataclasses by name, dotted name or mapping."""
    fields = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
    changes: dict[str, Any] = {}
    for name, value in settings.items():
        head, dot, rest = str(name).partition(".")
        if head not in fields or (dot and not dataclasses.is_dataclass(fields[head])):
            raise PresetError(
                f"tracker setting {name!r} is unknown; there are: {', '.join(fields)}"
            )
        current = changes.get(head, fields[head])
        if dataclasses.is_dataclass(current):
            inner = {rest: value} if dot else value
            if not isinstance(inner, Mapping):
                raise PresetError(f"tracker setting {name}: a mapping of settings is expected")
            changes[head] = _configure(current, inner)
        else:
            changes[head] = _typed(name, value, current)
    return dataclasses.replace(base, **changes)


def _typed(name: str, value: Any, current: Any) -> Any:
    if isinstance(current, bool) or isinstance(value, bool):
        if not (isinstance(current, bool) and isinstance(value, bool)):
            raise PresetError(f"tracker setting {name}: {value!r} does not fit")
        return value
    if isinstance(current, float) and isinstance(value, int | float):
        return float(value)
    if isinstance(current, int) and isinstance(value, int):
        return value
    raise PresetError(f"tracker setting {name}: {value!r} is not a {type(current).__name__}")
