"""Trackers by name: one YAML file per preset, checked key by key."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from trackers.ranges import Range
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
            `stages.lost.limit`; `stages.lost: null` takes a stage out. Only a preset's file brings
            stages in: a stage that it lacks is refused here, because a misspelt name would
            otherwise be a new stage.
        on_stage: see `trackers.staged.StagedTracker`.

    Raises:
        PresetError: no such preset; a setting is unknown, of the wrong type or out of its range
            (what the preset's file says wrongly is said with the file's name); no stage is left.
    """
    path = Path(preset) if preset.endswith((".yaml", ".yml")) else PRESETS / f"{preset}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in PRESETS.glob("*.yaml")))
        raise PresetError(f"tracker.preset: no preset {preset!r}; there are: {names}")
    try:
        settings = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise PresetError(f"{path}: cannot read it: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PresetError(f"{path}: not YAML: {_one_line(error)}") from error
    if not isinstance(settings, dict):
        raise PresetError(f"{path}: a mapping of settings is expected")
    try:
        config = _configure(TrackerConfig(), settings, new_stages=True)
        _check_stages(config)
    except PresetError as error:
        raise PresetError(f"{path}: {error}") from error
    config = _configure(config, overrides or {})
    _check_stages(config)
    return StagedTracker(config, on_stage)


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


def _check_stages(config: TrackerConfig) -> None:
    if not config.stages:
        raise PresetError("tracker setting stages: a tracker needs at least one stage")


def _one_line(error: Exception) -> str:
    """What is wrong with YAML, and where."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(error).splitlines()[0]
    return f"line {mark.line + 1}: {getattr(error, 'problem', None) or 'bad syntax'}"


def _configure(
    base: Any, settings: Mapping[str, Any], path: str = "", *, new_stages: bool = False
) -> Any:
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
            inner = _mapping(path + head, inner)
            changes[head] = _configure_stages(current, inner, path + head, new_stages=new_stages)
        elif dot:
            raise PresetError(f"tracker setting {path + str(name)!r} is unknown")
        else:
            value = _typed(path + head, value, current, getattr(base, "CHOICES", {}))
            changes[head] = _in_range(path + head, value, getattr(base, "RANGES", {}))
    return dataclasses.replace(base, **changes)


def _configure_stages(
    base: Mapping[str, StageConfig], settings: Mapping[str, Any], path: str, *, new_stages: bool
) -> dict[str, StageConfig]:
    """Change, (by null) remove and, if `new_stages`, add stages."""
    stages = dict(base)
    for name, value in settings.items():
        head, dot, rest = str(name).partition(".")
        if value is None and not dot:
            if stages.pop(head, None) is None:
                raise PresetError(f"tracker setting {path}.{head}: no such stage to remove")
            continue
        inner = _mapping(f"{path}.{head}", {rest: value} if dot else value)
        if head not in stages and (dot or not new_stages):
            raise PresetError(
                f"tracker setting {path}.{name!s}: there is no such stage; there are: "
                f"{', '.join(stages) or 'none'}; a new one goes into the preset's own file"
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
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(current, int) and isinstance(value, int):
        return value
    expected = "whole number" if isinstance(current, int) else "number"
    raise PresetError(f"tracker setting {name}: {value!r} is not a {expected}")


def _in_range(name: str, value: Any, ranges: Mapping[str, Range]) -> Any:
    allowed = ranges.get(name.rpartition(".")[2])
    if allowed is not None and value not in allowed:
        raise PresetError(f"tracker setting {name}: {_shown(value)} is out of range: {allowed}")
    return value


def _shown(value: float) -> str:
    try:
        return f"{value:g}"
    except OverflowError:
        return "a number of hundreds of digits"
