"""Reference pages, written from the program itself by `python main.py docs`."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.config import RunConfig
from pipeline.config.messages import model_in

DOCS = Path(__file__).parents[1] / "docs"

_COMMANDS = """\
# Commands

<!-- Written by `python main.py docs` from the commands' own help. -->

`python main.py --sources cams.yaml` runs the main job; everything else has a name. Every command
that prints a table or a summary takes `--json`: one object on standard output, nothing else there;
logs and warnings go to standard error. The archive is found by `--store DIR`, by default
`./store`; another database is named by `--db URL` together with `--media DIR`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed; the log in the archive's `logs/` says why |
| 2 | bad input: one line on standard error names file and key, nothing was written |
| 130 | interrupted; what was closed is stored, `--resume` goes on |
"""
_CONFIGURATION = """\
# Configuration

<!-- Written by `python main.py docs` from the settings' own descriptions. -->

The main job reads one YAML file: `python main.py --sources cams.yaml`. Only `cameras` is needed.
Unknown keys are refused, and every problem is one line that names file and key. Relative paths
start at the folder of the YAML file. [`configs/cams.yaml`](../configs/cams.yaml) is an annotated
example, [`configs/demo.yaml`](../configs/demo.yaml) the built-in demo.
"""


def configuration_page() -> str:
    """The page as Markdown."""
    return "\n".join([_CONFIGURATION, *_section(RunConfig, "", "The file")])


def commands_page(group: Any) -> str:
    """The page of a Typer group's commands as Markdown."""
    return "\n".join([_COMMANDS, *_command(group, "")])


def write_pages(group: Any) -> list[Path]:
    """Write both pages; returns their paths."""
    pages = {"COMMANDS.md": commands_page(group), "CONFIGURATION.md": configuration_page()}
    for name, text in pages.items():
        (DOCS / name).write_text(text, encoding="utf-8")
    return [DOCS / name for name in pages]


def _command(command: Any, path: str) -> list[str]:
    """What one command does and its options, followed by the commands inside it."""
    name = f"python main.py {path}".rstrip()
    help_text = re.sub(r"\[/?\w*\]", "", command.help or "").strip()
    lines = [f"## `{name}`", "", *help_text.splitlines(), ""]
    options = [parameter for parameter in command.params if parameter.name != "help"]
    if options:
        lines += ["| option | default | meaning |", "|---|---|---|", *map(_option, options), ""]
    inner = getattr(command, "commands", {})
    for key in inner:
        if not inner[key].hidden:
            lines += _command(inner[key], f"{path} {key}".strip())
    return lines


def _option(parameter: Any) -> str:
    flag = parameter.opts[0] if parameter.opts[0].startswith("-") else ""
    metavar = parameter.metavar
    if metavar is None and not getattr(parameter, "is_flag", False):
        metavar = parameter.name.upper()
    default = parameter.default
    shown = "needed" if parameter.required else "–"
    if isinstance(default, (int, float, str, Path)) and not isinstance(default, bool):
        shown = f"`{default}`"
    text = f"`{flag} {metavar or ''}".rstrip() + "`"
    return f"| {text.replace('` ', '`')} | {shown} | {_escaped(parameter.help or '')} |"


def _section(model: type[BaseModel], prefix: str, title: str) -> list[str]:
    """A table of one group, followed by the groups inside it."""
    about = _first_line(model) if prefix else "Only the cameras have to be there."
    lines = [f"## {title}", "", about, "", "| key | type | default | meaning |"]
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
