"""The YAML of LOMO + XQDA: a system that is fitted, not trained step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from reid.classical.xqda import REGULARISER
from reid.config import PaperConfig, read_system
from reid.section import Section
from reid.yaml_files import read_yaml


class ClassicalConfig(Section):
    """See `LomoXqda.fit`.

    Attributes:
        components: principal directions that are kept; more cost time and memory.
        regulariser: of XQDA. seed: of the start of the principal directions.
    """

    name: Literal["lomo_xqda"]
    components: int = Field(default=1000, ge=1)
    regulariser: float = Field(default=REGULARISER, gt=0)
    seed: int = Field(default=0, ge=0)


class ClassicalSystem(Section):
    """A whole system without a network."""

    name: str
    paper: PaperConfig | None = None
    classical: ClassicalConfig


def is_classical(path: Path) -> bool:
    """Whether a YAML has a `classical` section.

    Raises:
        ReidError: missing file, not YAML.
    """
    return "classical" in read_yaml(path)


def load_classical_config(path: Path, overrides: dict[str, Any] | None = None) -> ClassicalSystem:
    """Read a classical system's YAML; `overrides` maps dotted keys to values.

    Raises:
        ReidError: missing file, not YAML, unknown key or wrong value.
    """
    return read_system(ClassicalSystem, path, overrides)
