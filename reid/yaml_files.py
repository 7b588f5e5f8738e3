"""YAML files that extend each other, and keys changed on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from reid.errors import ReidError


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping; where it says `extends: FILE` (relative to it) that file's keys come first.

    Mappings are merged key by key, anything else is replaced. `losses.NAME: null` and the like
    are up to the reader.

    Raises:
        ReidError: missing file, not YAML, not a mapping, or files that extend each other in a ring.
    """
    return _read(path, ())


def _read(path: Path, before: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in before:
        raise ReidError(f"{path}: extends: the files extend each other in a ring")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReidError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ReidError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(data, dict):
        raise ReidError(f"{path}: a mapping of keys is expected")
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ReidError(f"{path}: extends: the name of a YAML file is expected")
    return merged(_read(path.parent / base, (*before, path.resolve())), data)


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes`: mappings key by key, anything else replaced.

    A mapping that names another component or paper (`name`, `kind` or `title` differs) replaces the
    old one whole, because the old one's settings, or figures, are not its own.
    """
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not _another(old, value):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def _another(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return any(
        key in new and key in old and new[key] != old[key] for key in ("name", "kind", "title")
    )


def override(data: dict[str, Any], dotted: str, value: Any) -> None:
    """Set one dotted key of nested mappings and lists in place.

    Raises:
        ReidError: there is no such place.
    """
    *parents, leaf = dotted.split(".")
    node: Any = data
    try:
        for key in parents:
            node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
        node[int(leaf) if isinstance(node, list) else leaf] = value
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ReidError(f"{dotted}: unknown key") from error
