"""The base of every section of a system's YAML: unknown keys are refused, values do not change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One mapping of the YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True)
