"""Every number of a tracker's settings has a range, and what lies outside is refused by name."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trackers.appearance import AppearanceConfig
from trackers.kalman import MotionConfig
from trackers.presets import PRESETS, PresetError, build_tracker
from trackers.purity import PurityConfig
from trackers.ranges import Range
from trackers.staged_config import BirthConfig, EconomyConfig, StageConfig, TrackerConfig

PARTS: dict[str, Any] = {
    "": TrackerConfig,
    "stages.confident.": StageConfig,
    "births.": BirthConfig,
    "economy.": EconomyConfig,
    "motion.": MotionConfig,
    "appearance.": AppearanceConfig,
    "purity.": PurityConfig,
}


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


NUMBERS = {
    prefix + field.name: (part.RANGES.get(field.name), field.default)
    for prefix, part in PARTS.items()
    for field in dataclasses.fields(part)
    if is_number(field.default)
}


def test_every_number_has_a_range_that_holds_its_default() -> None:
    assert [name for name, (allowed, _) in NUMBERS.items() if allowed is None] == []
    assert [name for name, (allowed, default) in NUMBERS.items() if default not in allowed] == []
    for part in PARTS.values():
        assert set(part.RANGES) <= {field.name for field in dataclasses.fields(part)}


def refused(name: str, value: Any) -> str:
    with pytest.raises(PresetError) as caught:
        build_tracker("crosswalk", {name: value})
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_what_lies_outside_is_refused(name: str) -> None:
    allowed, default = NUMBERS[name]
    beyond: list[float] = [-1, -(10**400)]
    if isinstance(default, float):
        beyond += [-math.inf, math.nan]
    if allowed.low > 0 or allowed.above:
        beyond.append(0)
    if allowed.high < math.inf:
        beyond += [int(allowed.high) + 1, 10**400]
    for value in beyond:
        said = refused(name, value)
        assert said.startswith(f"tracker setting {name}: ")
        assert said.endswith(f"is out of range: {allowed}")
        assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("appearance.bank_size", 0, "0 is out of range: 1 to 1000"),
        ("max_lost_s", -2.5, "-2.5 is out of range: 0 to 86400"),
        ("max_lost_s", math.nan, "nan is out of range: 0 to 86400"),
        ("stages.confident.min_overlap", 1.5, "1.5 is out of range: 0 to 1"),
        ("stages.confident.limit", math.inf, "inf is out of range: above 0 and at most 100"),
        ("stages.confident.max_growth", 0.5, "0.5 is out of range: 1 or more"),
        ("motion.position", 0, "0 is out of range: above 0 and at most 100"),
    ],
)
def test_the_words(name: str, value: float, said: str) -> None:
    assert refused(name, value) == f"tracker setting {name}: {said}"


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_both_ends_are_allowed(name: str) -> None:
    allowed, default = NUMBERS[name]
    for value in [allowed.high] + [allowed.low] * (not allowed.above):
        build_tracker("crosswalk", {name: int(value) if isinstance(default, int) else value})


@given(value=st.floats() | st.integers(), low=st.integers(-3, 3), above=st.booleans())
def test_a_range_holds_what_lies_between_its_ends(value: float, low: int, above: bool) -> None:
    inside = low <= value <= 5 and not (above and value == low)
    assert (value in Range(low, 5, above)) == inside


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        (Range(0, 1), "0 to 1"),
        (Range(0), "0 or more"),
        (Range(0, 1, above=True), "above 0 and at most 1"),
        (Range(0, above=True), "above 0"),
    ],
)
def test_ranges_in_words(allowed: Range, said: str) -> None:
    assert str(allowed) == said


@pytest.mark.parametrize("path", sorted((PRESETS / "tune").glob("*.yaml")), ids=lambda p: p.stem)
def test_limits_of_tuning_lie_inside(path: Path) -> None:
    for names, ends in yaml.safe_load(path.read_text()).items():
        values = next(iter(ends.values())) if isinstance(ends, dict) else ends
        for name in names.split():
            for value in values:
                build_tracker(path.stem, {name: value})
