"""Turn pydantic's errors into dotted keys and plain reasons."""

from __future__ import annotations

import difflib
import types
from collections.abc import Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pipeline.config.run import Problem

_TEMPLATES = {
    "missing": "missing; add it",
    "greater_than": "must be greater than {gt}, not {value}",
    "greater_than_equal": "must be {ge} or more, not {value}",
    "less_than_equal": "must be {le} or less, not {value}",
    "multiple_of": "must be a multiple of {multiple_of}, not {value}",
    "finite_number": "must be a finite number, not {value}",
    "string_too_short": "must not be empty; write a text or remove the key",
    "string_type": 'must be text, not {value}; write it in quotes: "{value}"',
    "list_type": "must be a list, not {value}; start each entry with '-'",
    "model_type": "must be a group of 'key: value' lines, not {value}",
    "dict_type": "must be a group of 'key: value' lines, not {value}",
    "tuple_type": "must be a list in square brackets, not {value}",
    "too_long": "has {actual_length} entries, not {max_length}; remove some",
    "literal_error": "must be {expected}, not {value}",
    "path_type": "must be a path, not {value}",
}
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """List the problems of a failed validation.

    Returns:
        (dotted key, reason) pairs such as ("cameras[1].url", "file not found: /x/y.mp4"), in the
        order of the model's fields.
    """
    problems: list[Problem] = []
    for item in error.errors(include_url=False):
        context = item.get("ctx") or {}
        if item["type"] == "cameras":
            problems += context["problems"]
            continue
        key = dotted(item["loc"])
        if item["type"] == "located":
            key = _join(key, str(context["key"]))
        problems.append((key, _reason(item, context, model)))
    return problems


def dotted(location: Sequence[int | str]) -> str:
    """Write a location as `cameras[1].url`."""
    text = ""
    for part in location:
        text = _join(text, f"[{part}]" if isinstance(part, int) else str(part))
    return text


def _join(left: str, right: str) -> str:
    return left + right if right.startswith("[") or not left else f"{left}.{right}"


def _reason(item: Any, context: dict[str, Any], model: type[BaseModel]) -> str:
    kind: str = item["type"]
    value = _shown(item["input"])
    if kind == "extra_forbidden":
        return _unknown_key(item["loc"], model)
    if kind == "located":
        return str(context["reason"])
    if kind == "value_error":
        return str(context["error"])
    if kind in _TEMPLATES:
        return _TEMPLATES[kind].format(value=value, **context)
    expected = _KINDS.get(kind.partition("_")[0])
    if expected and kind.partition("_")[2] in ("type", "parsing", "from_float"):
        return f"must be {expected}, not {value}"
    return f"{item['msg']}, not {value}"


def _shown(value: Any) -> str:
    """Write an input as in YAML, shortened."""
    special = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return special[value]
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _unknown_key(location: Sequence[int | str], model: type[BaseModel]) -> str:
    known = sorted(_group_at(location[:-1], model).model_fields)
    close = difflib.get_close_matches(str(location[-1]).lower(), known, n=1, cutoff=0.5)
    if close:
        return f"unknown key; did you mean {close[0]!r}?"
    return f"unknown key; remove it or use one of: {', '.join(known)}"


def _group_at(location: Sequence[int | str], model: type[BaseModel]) -> type[BaseModel]:
    """Follow a location from the root model to the settings group that it names."""
    group = model
    for part in location:
        if isinstance(part, str) and part in group.model_fields:
            group = model_in(group.model_fields[part].annotation) or group
    return group


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the settings group inside a field's type, e.g. of `list[CameraConfig]`, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, tuple, Union, Annotated, types.UnionType):
        for part in get_args(annotation):
            found = model_in(part)
            if found:
                return found
    return None
