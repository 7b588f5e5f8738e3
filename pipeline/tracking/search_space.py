"""Which settings of a tracker preset may be tuned, and between which values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

Settings = dict[str, Any]


class SpaceError(ValueError):
    """A search space cannot be used; the message is one line that names file and key."""


@dataclass(frozen=True)
class Knob:
    """The values of one setting.

    Attributes:
        name: dotted, as in `trackers.presets.build_tracker`; several names get the same value.
        low, high: a range, both included. log: sampled and moved by factors.
        choices: instead of a range.
    """

    names: tuple[str, ...]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Any, ...] = ()

    def sample(self, rng: np.random.Generator) -> Any:
        """Any of the values."""
        if self.choices:
            return self.choices[int(rng.integers(len(self.choices)))]
        return self._value(float(rng.uniform()))

    def near(self, value: Any, rng: np.random.Generator) -> Any:
        """A value near another one; another choice by chance."""
        if self.choices:
            return self.sample(rng)
        value = min(max(float(value), self.low), self.high)
        if self.log:
            place = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            place = (value - self.low) / (self.high - self.low)
        return self._value(float(np.clip(place + rng.normal(0, 0.15), 0, 1)))

    def _value(self, place: float) -> float:
        """To three digits, which is all that a tuned number can claim."""
        if self.log:
            value = self.low * (self.high / self.low) ** place
        else:
            value = self.low + (self.high - self.low) * place
        return float(f"{value:.3g}")


@dataclass(frozen=True)
class SearchSpace:
    """All knobs; a point has a value for each of them, in order."""

    knobs: tuple[Knob, ...]

    def settings(self, point: tuple[Any, ...]) -> Settings:
        """The overrides of a preset that a point stands for."""
        return {
            name: value
            for knob, value in zip(self.knobs, point, strict=True)
            for name in knob.names
        }

    def point(self, settings: Settings) -> tuple[Any, ...]:
        """The point that stands for these settings: the inverse of `settings`."""
        return tuple(settings[knob.names[0]] for knob in self.knobs)

    def sample(self, rng: np.random.Generator) -> tuple[Any, ...]:
        """A point anywhere."""
        return tuple(knob.sample(rng) for knob in self.knobs)

    def vary(
        self, point: tuple[Any, ...], other: tuple[Any, ...], rng: np.random.Generator
    ) -> tuple[Any, ...]:
        """A point near another: some values moved, now and then some taken from a second one."""
        count = int(rng.choice([1, 2, 3, 5]))
        moved = set(rng.permutation(len(self.knobs))[:count].tolist())
        crossed = rng.random(len(self.knobs)) < (0.3 if rng.random() < 0.3 else 0.0)
        values = []
        for place, knob in enumerate(self.knobs):
            value = other[place] if crossed[place] else point[place]
            if place in moved:
                value = knob.near(value, rng) if rng.random() < 0.7 else knob.sample(rng)
            values.append(value)
        return tuple(values)


def read_space(path: Path) -> SearchSpace:
    """A YAML file: `name: [low, high]`, `name: {log: [low, high]}` or `name: {choices: [...]}`.

    One key may list several settings that always share a value, separated by blanks.

    Raises:
        SpaceError: the file is missing, no YAML, or a key is bad.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise SpaceError(f"{path}: cannot read it: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpaceError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or not content:
        raise SpaceError(f"{path}: a mapping of settings to ranges is expected")
    return SearchSpace(tuple(_knob(path, str(name), value) for name, value in content.items()))


def _knob(path: Path, name: str, value: Any) -> Knob:
    names = tuple(name.split())
    if isinstance(value, Mapping) and set(value) == {"choices"} and value["choices"]:
        if not isinstance(value["choices"], list):
            raise SpaceError(f"{path}: {name}.choices: a list is expected")
        return Knob(names, choices=tuple(value["choices"]))
    log = isinstance(value, Mapping) and set(value) == {"log"}
    ends = value["log"] if log else value
    good = isinstance(ends, list) and len(ends) == 2
    good = good and all(isinstance(e, int | float) and not isinstance(e, bool) for e in ends)
    if not good or not ends[0] < ends[1] or (log and ends[0] <= 0):
        raise SpaceError(
            f"{path}: {name}: [low, high], {{log: [low, high]}} or {{choices: [...]}} is expected"
        )
    return Knob(names, float(ends[0]), float(ends[1]), log)
