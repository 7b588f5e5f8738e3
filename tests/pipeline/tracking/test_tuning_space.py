"""Search spaces: what a file may say, and which values come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.tracking.search_space import SpaceError, read_space
from pipeline.tracking.track_tune import SPACES, starting_point
from trackers.presets import PresetError, build_tracker

TEXT = """
a: [1, 3]
b c: {log: [0.01, 1]}
d: {choices: [true, x]}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def test_values_lie_in_their_ranges_and_fill_them(tmp_path: Path) -> None:
    space, rng = read_space(written(tmp_path, TEXT)), np.random.default_rng(0)
    points = [space.sample(rng) for _ in range(300)]
    for _ in range(300):
        points.append(space.vary(points[-1], points[0], rng))
    linear, log, choice = zip(*points, strict=True)
    assert 1 <= min(linear) < 1.1 < 2.9 < max(linear) <= 3
    assert 0.01 <= min(log) < 0.02 < 0.7 < max(log) <= 1
    assert np.median(log) == pytest.approx(0.1, rel=0.6), "even over factors, not over differences"
    assert set(choice) == {True, "x"}
    assert all(value == float(f"{value:.3g}") for value in (*linear, *log))


def test_settings_of_one_knob_share_a_value(tmp_path: Path) -> None:
    space = read_space(written(tmp_path, TEXT))
    assert space.settings((2.0, 0.5, "x")) == {"a": 2.0, "b": 0.5, "c": 0.5, "d": "x"}


def test_a_variation_changes_some_and_stays_near_most_of_the_time(tmp_path: Path) -> None:
    knobs = "\n".join(f"k{number}: [0, 1]" for number in range(20))
    space, rng = read_space(written(tmp_path, knobs)), np.random.default_rng(1)
    middle = (0.5,) * 20
    moved = [
        [abs(v - 0.5) for v in space.vary(middle, middle, rng) if v != 0.5] for _ in range(200)
    ]
    assert {len(values) for values in moved} <= {0, 1, 2, 3, 4, 5}
    assert np.mean([len(values) for values in moved]) > 2
    assert np.median([value for values in moved for value in values]) < 0.25


def test_a_start_beyond_the_range_is_brought_into_it(tmp_path: Path) -> None:
    space, rng = read_space(written(tmp_path, "a: [1, 3]\nb: {log: [1, 2]}")), None
    rng = np.random.default_rng(2)
    for _ in range(50):
        one, two = (knob.near(float("inf"), rng) for knob in space.knobs)
        assert 1 <= one <= 3
        assert 1 <= two <= 2


def test_a_second_parent_gives_values(tmp_path: Path) -> None:
    knobs = "\n".join(f"k{number}: [0, 1]" for number in range(30))
    space, rng = read_space(written(tmp_path, knobs)), np.random.default_rng(3)
    crossed = [space.vary((0.0,) * 30, (1.0,) * 30, rng).count(1.0) for _ in range(100)]
    assert 10 <= sum(count > 3 for count in crossed) <= 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a mapping of settings"),
        ("- a", "a mapping of settings"),
        ("a: [1, 3", "not YAML"),
        ("a: [3, 1]", "a: [low, high]"),
        ("a: [1, 2, 3]", "a: [low, high]"),
        ("a: [1, true]", "a: [low, high]"),
        ("a: 3", "a: [low, high]"),
        ("a: {log: [0, 1]}", "a: [low, high]"),
        ("a: {choices: []}", "a: [low, high]"),
        ("a: {choices: x}", "a.choices: a list"),
        ("a: {lgo: [1, 2]}", "a: [low, high]"),
    ],
)
def test_bad_files_are_refused_by_file_and_key(tmp_path: Path, text: str, expected: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SpaceError) as caught:
        read_space(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"none\.yaml: cannot read it"):
        read_space(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted(SPACES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_spaces_fit_their_presets(path: Path) -> None:
    space, rng = read_space(path), np.random.default_rng(0)
    assert len(starting_point(space, path.stem)) == len(space.knobs)
    for _ in range(20):
        build_tracker(path.stem, space.settings(space.sample(rng)))


def test_a_knob_that_the_preset_lacks_is_refused(tmp_path: Path) -> None:
    space = read_space(written(tmp_path, "stages.nothing.limit: [0, 1]"))
    with pytest.raises(PresetError, match=r"stages\.nothing\.limit"):
        starting_point(space, "crosswalk")
