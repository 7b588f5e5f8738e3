"""Any configuration is accepted or refused in lines that name file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.config import ConfigError, RunConfig, load_config
from pipeline.config.messages import model_in

here = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CAMERA = {"id": "a", "url": "demo:lobby"}
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="~"))
    | st.sampled_from(["demo:lobby", "0", "rtsp://h/x", "2026-01-05T08:00:00Z", "a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "url", "camera", "transit_s", "x"]), inner)
    ),
    max_leaves=5,
)


def keys(model: Any = RunConfig, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key of the file, by its path."""
    found = []
    for name, annotated in model.model_fields.items():
        inner = model_in(annotated.annotation)
        found.append((*prefix, name))
        if inner is not None:
            found += keys(inner, (*prefix, name))
    return found


def with_value(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A good configuration with one value replaced."""
    neighbour = {"camera": "b", "transit_s": [1, 2]}
    first = {**CAMERA, "neighbours": [neighbour]}
    data: dict[str, Any] = {"cameras": [first, {**CAMERA, "id": "b"}]}
    group: Any = data
    for name in path[:-1]:
        group = group.setdefault(name, {})
        group = group[0] if isinstance(group, list) else group
    group[path[-1]] = value
    return data


@here
@given(path=st.sampled_from(keys()), value=values)
def test_a_wrong_value_is_told_with_its_file_and_key(
    tmp_path: Path, path: tuple[str, ...], value: Any
) -> None:
    file = tmp_path / "cams.yaml"
    file.write_text(yaml.safe_dump(with_value(path, value)), encoding="utf-8")
    try:
        config = load_config(file)
    except ConfigError as error:
        lines = str(error).splitlines()
        assert all(line.startswith("cams.yaml: ") for line in lines)
        assert any(path[0] in line for line in lines)
        return
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config


@here
@given(st.binary(max_size=60))
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    assume(b"~" not in content)
    (tmp_path / "cams.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"^cams\.yaml: "):
        load_config(tmp_path / "cams.yaml")


@pytest.mark.parametrize("path", keys(), ids=".".join)
def test_a_misspelt_key_is_refused_where_it_stands(tmp_path: Path, path: tuple[str, ...]) -> None:
    file = tmp_path / "cams.yaml"
    wrong = (*path[:-1], f"{path[-1]}_")
    file.write_text(yaml.safe_dump(with_value(wrong, 1)), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert f"{path[-1]}_: unknown key" in str(caught.value)
    assert str(caught.value).startswith("cams.yaml: ")
