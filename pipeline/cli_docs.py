"""The configuration page, written from the settings themselves: `python -m pipeline.cli_docs`."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.config import RunConfig
from pipeline.config.messages import model_in

PAGE = Path(__file__).parents[1] / "docs" / "CONFIGURATION.md"

_HEAD = """\
# Configuration

<!-- Written by `python -m pipeline.cli_docs` from the settings' own descriptions. -->

The main job reads one YAML file: `python main.py --sources cams.yaml`. Only `cameras` is needed.
Unknown keys are refused, and every problem is one line that names file and key. Relative paths
start at the folder of the YAML file. [`configs/cams.yaml`](../configs/cams.yaml) is an annotated
example, [`configs/demo.yaml`](../configs/demo.yaml) the built-in demo.
"""


def configuration_page() -> str:
    """The page as Markdown."""
    return "\n".join([_HEAD, *_section(RunConfig, "", "The file")])


def _section(model: type[BaseModel], prefix: str, title: str) -> list[str]:
    """A table of one group, followed by the groups inside it."""
    lines = [f"## {title}", "", _first_line(model), "", "| key | type | default | meaning |"]
    lines.append("|---|---|---|---|")
    groups: list[str] = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        inner = model_in(field.annotation)
        lines.append(_row(key, field, inner))
        if inner is not None:
            listed = get_origin(field.annotation) is list
            path = f"{key}[]" if listed else key
            groups += _section(inner, f"{path}.", f"`{path}`")
    return [*lines, "", *groups]


def _row(key: str, field: FieldInfo, inner: type[BaseModel] | None) -> str:
    text = field.description or (_first_line(inner) if inner else "")
    cells = (f"`{key}`", _type_name(field.annotation), _default(field), text)
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _type_name(annotation: Any) -> str:
    """A type in words."""
    if model_in(annotation) is not None:
        return "list of groups" if get_origin(annotation) is list else "group"
    origin = get_origin(annotation)
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(part) for part in parts)
    if origin in (list, tuple, dict):
        return {list: "list", tuple: "list of two", dict: "mapping"}[origin]
    if origin is not None:  # Annotated
        return _type_name(parts[0])
    names = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false"}
    name = str(getattr(annotation, "__name__", annotation))
    return names.get(name, {"Path": "path", "datetime": "time"}.get(name, name))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "–"
    plain = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return f"`{plain[value]}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value or '–'}`"


if __name__ == "__main__":
    PAGE.write_text(configuration_page(), encoding="utf-8")
