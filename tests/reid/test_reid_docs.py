"""docs/REID.md names every part that a YAML can name, and its commands can be typed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from reid.backbones.registry import BackboneConfig
from reid.cli import app
from reid.data.source import KNOWN_DATA
from reid.heads.registry import HeadConfig
from reid.terms import metric
from reid.terms.registry import TermConfig

GUIDE = (Path(__file__).parents[2] / "docs" / "REID.md").read_text(encoding="utf-8")


def names(union: Any, field: str) -> list[str]:
    """All values of the literal `field` of the sections of an annotated union."""
    sections = get_args(get_args(union)[0])
    return [
        name for section in sections for name in get_args(section.model_fields[field].annotation)
    ]


@pytest.mark.parametrize(
    "name",
    [
        *names(BackboneConfig, "name"),
        *names(HeadConfig, "name"),
        *names(TermConfig, "kind"),
        *get_args(metric.LossName),
        *get_args(metric.MinerName),
        *get_args(metric.DistanceName),
        *KNOWN_DATA,
    ],
)
def test_the_guide_names_it(name: str) -> None:
    assert f"`{name}`" in GUIDE or f"name: {name}" in GUIDE or f"kind: {name}" in GUIDE


def commands(guide: str) -> list[str]:
    """Words after `main.py reid` of each complete command in a shell block, its lines joined."""
    blocks = [block for block in guide.split("```")[1::2] if block.startswith("bash\n")]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.split("main.py reid ", 1)[1] for line in lines if "main.py reid " in line]


def parse(words: str) -> None:
    """Parse as the command line does, without running.

    Raises:
        LookupError: an unknown command. ClickException: an unknown option, or one that is missing.
    """
    group = typer.main.get_group(app)
    name, *rest = shlex.split(words)
    with group.make_context("reid", [], resilient_parsing=True) as context:
        command = group.get_command(context, name)
        if command is None:
            raise LookupError(f"no command {name}")
        command.make_context(name, rest, parent=context)


def test_the_guide_has_commands() -> None:
    assert {line.split()[0] for line in commands(GUIDE)} >= {
        "train",
        "evaluate",
        "compare",
        "rank",
        "export",
    }


@pytest.mark.parametrize("words", commands(GUIDE))
def test_the_guides_commands_can_be_typed(words: str) -> None:
    parse(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("rank --data market1501=DIR", "parameter: query"),
        ("rank --query q.jpg --picture a.png", "No such option.*--picture"),
        ("train --config a.yaml", "parameter: data"),
        ("score --data market1501=DIR", "no command score"),
    ],
)
def test_what_cannot_be_typed_is_noticed(words: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        parse(words)
