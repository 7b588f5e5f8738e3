"""The strict YAML reader and the wording of errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.config.messages import dotted, model_in, problems_of
from pipeline.config.strict_yaml import parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [2, 3.5, true, null]", {"a": 1, "b": [2, 3.5, True, None]}),
        ("t: 2026-01-05T08:00:00Z", {"t": "2026-01-05T08:00:00Z"}),
        ("t: 2026-01-05", {"t": "2026-01-05"}),
        ("base: &b {x: 1}\nc: {<<: *b, y: 2}", {"base": {"x": 1}, "c": {"x": 1, "y": 2}}),
        ("base: &b {x: 1}\nc: {<<: *b, x: 2}", {"base": {"x": 1}, "c": {"x": 2}}),
        ("", None),
        ("# only a remark", None),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert parse_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\na: 2", "line 2, column 1: key 'a' is written twice; keep one"),
        ("a:\n  - {x: 1, x: 1}", "line 2, column 12: key 'x' is written twice"),
        ("a: {b: {c: 1}\n", "line 2, column 1: expected"),
        ("a: *nowhere", "line 1, column 4: found undefined alias"),
        ("\tx: 1", "line 1, column 1: found character"),
        ("a: !!python/name:os.system x", "line 1, column 4: could not determine a constructor"),
        ("a: \x00", "not valid YAML"),
        ("--- a\n--- b", "expected a single document|but found another document"),
        ("[" * 5000, "not valid YAML|expected"),
    ],
)
def test_refusals_say_where(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused_in_one_line(text: str) -> None:
    reason = ""
    try:
        parse_yaml(text)
    except ValueError as error:
        reason = str(error)
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("location", "text"),
    [((), ""), (("a",), "a"), (("a", 0), "a[0]"), (("a", 1, "b", 2, 3, "c"), "a[1].b[2][3].c")],
)
def test_dotted(location: tuple[int | str, ...], text: str) -> None:
    assert dotted(location) == text


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: int = Field(default=1, ge=1)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner = Inner()
    many: list[Inner] = []
    maybe: Inner | None = None
    pair: tuple[float, float] = (0, 1)
    label: str = "x"
    flag: bool = False


@pytest.mark.parametrize(
    ("annotation", "model"),
    [(Inner, Inner), (list[Inner], Inner), (Inner | None, Inner), (list[list[Inner]], Inner),
     (int, None), (list[int], None), (dict[str, Any], None), (None, None)],
)  # fmt: skip
def test_group_inside_a_type(annotation: Any, model: type[BaseModel] | None) -> None:
    assert model_in(annotation) is model


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"inner": {"widht": 1}}, ("inner.widht", "unknown key; did you mean 'width'?")),
        (
            {"many": [{}, {"zzz": 1}]},
            ("many[1].zzz", "unknown key; remove it or use one of: width"),
        ),
        ({"maybe": {"WIDTH": 1}}, ("maybe.WIDTH", "unknown key; did you mean 'width'?")),
        ({"inner": {"width": 0}}, ("inner.width", "must be 1 or more, not 0")),
        ({"inner": {"width": None}}, ("inner.width", "must be a whole number, not null")),
        ({"inner": 3}, ("inner", "must be a group of 'key: value' lines, not 3")),
        ({"many": 3}, ("many", "must be a list, not 3; start each entry with '-'")),
        ({"pair": 5}, ("pair", "must be a list in square brackets, not 5")),
        ({"pair": [1, 2, 3]}, ("pair", "has 3 entries, not 2; remove some")),
        ({"pair": [1]}, ("pair[1]", "missing; add it")),
        ({"pair": [1, "x"]}, ("pair[1]", "must be a number, not x")),
        ({"label": False}, ("label", 'must be text, not false; write it in quotes: "false"')),
        ({"flag": "perhaps"}, ("flag", "must be true or false, not perhaps")),
        (
            {"inner": {"width": "x" * 99}},
            ("inner.width", "must be a whole number, not " + "x" * 57 + "…"),
        ),
    ],
)  # fmt: skip
def test_wording(data: dict[str, Any], problem: tuple[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(data)
    assert problems_of(caught.value, Outer) == [problem]
