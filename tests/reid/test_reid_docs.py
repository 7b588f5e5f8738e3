"""docs/REID.md names every part that a YAML can name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from reid.backbones.registry import BackboneConfig
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
