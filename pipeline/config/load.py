"""Read a configuration file; every problem becomes one line for the operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.messages import problems_of
from pipeline.config.run import Problem, RunConfig, camera_problems
from pipeline.config.strict_yaml import parse_yaml
from pipeline.errors import ConfigError


def load_config(path: Path) -> RunConfig:
    """Load and check a YAML configuration.

    Args:
        path: the YAML file; relative paths inside it start at its folder.

    Raises:
        ConfigError: one line per problem: file name, dotted key, reason and what to do.
    """
    path = Path(path)
    try:
        data = parse_yaml(_read(path))
    except ValueError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    if not isinstance(data, dict):
        what = "is empty" if data is None else f"is a {type(data).__name__}, not a mapping"
        raise ConfigError(f"{path.name}: {what}; start with 'cameras:' and a list of cameras")
    try:
        return RunConfig.model_validate(data, context={"base": path.resolve().parent})
    except ValidationError as error:
        problems = problems_of(error, RunConfig)
    problems += [p for p in _raw_camera_problems(data) if p not in problems]
    lines = [f"{path.name}: {key}: {reason}" for key, reason in problems]
    raise ConfigError("\n".join(lines))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f"file not found: {path.resolve()}") from None
    except IsADirectoryError:
        raise ValueError(f"{path.resolve()} is a folder; name a YAML file") from None
    except UnicodeDecodeError:
        raise ValueError("not a text file in UTF-8; save it as UTF-8 YAML") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None


def _raw_camera_problems(data: dict[Any, Any]) -> list[Problem]:
    """Check ids and neighbours even where other keys are wrong, so that all is listed at once."""
    cameras = data.get("cameras")
    if not isinstance(cameras, list):
        return []
    found: list[tuple[str, list[str]]] = []
    for camera in cameras:
        group = camera if isinstance(camera, dict) else {}
        neighbours = group.get("neighbours")
        entries = neighbours if isinstance(neighbours, list) else []
        names = [_text(n.get("camera")) if isinstance(n, dict) else "" for n in entries]
        found.append((_text(group.get("id")), names))
    return camera_problems(found)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
