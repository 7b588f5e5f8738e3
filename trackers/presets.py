"""Trackers by name: one YAML file per preset, checked key by key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from trackers.staged import Listener, StagedTracker
from trackers.staged_config import StageConfig, TrackerConfig

PRESETS = Path(__file__).parents[1] / "configs" / "tracker"


class PresetError(ValueError):
    """A preset or an override that does not exist or does not fit; one line."""


def build_tracker(
    preset: str,
    overrides: Mapping[str, Any] | None = None,
    on_stage: Listener | None = None,
) -> StagedTracker:
    """A new tracker of a preset.

    Args:
        preset: name of a file in configs/tracker, without .yaml, or a path to a YAML file.
        overrides: settings to change; parts by dotted names, such as `motion.position` or
            `stages.lost.limit`; `stages.lost: null` takes a stage out.
        on_stage: see `trackers.staged.StagedTracker`.

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
    config = _configure(TrackerConfig(), settings)
    return StagedTracker(_configure(config, overrides or {}), on_stage)


def setting(config: TrackerConfig, name: str) -> Any:
    """The value of a setting by its dotted name.

    Raises:
        PresetError: there is no such setting.
    """
    value: Any = config
    for part in name.split("."):
        inside = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
        if part not in inside:
            raise PresetError(f"tracker setting {name!r} is unknown")
        value = inside[part]
    return value


def _configure(base: Any, settings: Mapping[str, Any], path: str = "") -> Any:
    """Replace fields of nested frozen dataclasses by name, dotted name or mapping."""
    fields = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
    changes: dict[str, Any] = {}
    for name, value in settings.items():
        head, dot, rest = str(name).partition(".")
        if head not in fields:
            raise PresetError(
                f"tracker setting {path + str(name)!r} is unknown; there are: {', '.join(fields)}"
            )
        current = changes.get(head, fields[head])
        inner = {rest: value} if dot else value
        if dataclasses.is_dataclass(current):
            changes[head] = _configure(current, _mapping(path + head, inner), f"{path}{head}.")
        elif isinstance(current, Mapping):
            changes[head] = _configure_stages(current, _mapping(path + head, inner), path + head)
        elif dot:
            raise PresetError(f"tracker setting {path + str(name)!r} is unknown")
        else:
            changes[head] = _typed(path + head, value, current, getattr(base, "CHOICES", {}))
    return dataclasses.replace(base, **changes)


def _configure_stages(
    base: Mapping[str, StageConfig], settings: Mapping[str, Any], path: str
) -> dict[str, StageConfig]:
    """Change, add and (by null) remove stages."""
    stages = dict(base)
    for name, value in settings.items():
        head, dot, rest = str(name).partition(".")
        if value is None and not dot:
            if stages.pop(head, None) is None:
                raise PresetError(f"tracker setting {path}.{head}: no such stage to remove")
            continue
        inner = _mapping(f"{path}.{head}", {rest: value} if dot else value)
        if dot and head not in stages:
            raise PresetError(
                f"tracker setting {path}.{name!s} is unknown; there are: {', '.join(stages)}"
            )
        stages[head] = _configure(stages.get(head, StageConfig()), inner, f"{path}.{head}.")
    return stages


def _mapping(path: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PresetError(f"tracker setting {path}: a mapping of settings is expected")
    return value


def _typed(name: str, value: Any, current: Any, choices: Mapping[str, Any]) -> Any:
    allowed = choices.get(name.rpartition(".")[2])
    if allowed is not None:
        if value not in allowed:
            raise PresetError(f"tracker setting {name}: {value!r} is none of {', '.join(allowed)}")
        return value
    if isinstance(current, bool) or isinstance(value, bool):
        if not (isinstance(current, bool) and isinstance(value, bool)):
            raise PresetError(f"tracker setting {name}: {value!r} does not fit")
        return value
    if isinstance(current, float) and isinstance(value, int | float):
        return float(value)
    if isinstance(current, int) and isinstance(value, int):
        return value
    raise PresetError(f"tracker setting {name}: {value!r} is not a {type(current).__name__}")
