"""Presets by name; what does not exist or does not fit is refused by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trackers.crosswalk import CrosswalkTracker

from trackers.presets import PRESETS, PresetError, build_tracker


def config_of(preset: str, overrides: dict[str, Any] | None = None) -> Any:
    tracker = build_tracker(preset, overrides)
    assert isinstance(tracker, CrosswalkTracker)
    return tracker.config


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_preset_loads(path: Path) -> None:
    assert config_of(path.stem) == config_of(str(path))


def test_there_is_a_default_preset() -> None:
    assert (PRESETS / "crosswalk.yaml").is_file()


def test_overrides_in_all_three_spellings() -> None:
    config = config_of(
        "crosswalk",
        {"piece_s": 12, "motion.position": 0.1, "appearance": {"bank_size": 3}},
    )
    assert (config.piece_s, config.motion.position, config.appearance.bank_size) == (12.0, 0.1, 3)
    assert isinstance(config.piece_s, float)
    assert config.embed_every_box is False
    assert config_of("crosswalk", {"embed_every_box": True}).embed_every_box is True


def test_an_override_changes_one_setting_of_a_part_only(tmp_path: Path) -> None:
    preset = tmp_path / "own.yaml"
    preset.write_text("motion:\n  position: 0.2\n  acceleration: 3\n")
    for overrides in ({"motion": {"position": 0.1}}, {"motion.position": 0.1}):
        config = config_of(str(preset), overrides)
        assert (config.motion.position, config.motion.acceleration) == (0.1, 3.0)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"hihg_score": 0.4}, "hihg_score"),
        ({"motion.nothing": 0.4}, "nothing"),
        ({"motion": {"nothing": 1}}, "nothing"),
        ({"motion.position.more": 1}, "position.more"),
        ({"high_score.more": 0.4}, "high_score.more"),
        ({"high_score": "much"}, "high_score"),
        ({"high_score": None}, "high_score"),
        ({"high_score": True}, "high_score"),
        ({"embed_every_box": 1}, "embed_every_box"),
        ({"young_embeddings": 2.5}, "young_embeddings"),
        ({"motion": 3}, "motion"),
        ({"motion": None}, "motion"),
        ({"motion.": 3}, "''"),
        ({7: 3}, "7"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(overrides: dict[Any, Any], named: str) -> None:
    with pytest.raises(PresetError, match=named) as caught:
        build_tracker("crosswalk", overrides)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(PresetError, match=r"'nope'.*crosswalk"):
        build_tracker("nope")
    with pytest.raises(PresetError, match="no preset"):
        build_tracker("nope.yaml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"a: [1", "not YAML"),
        (b"- a\n- b\n", "mapping"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"what: 1", "what"),
        (b"1: 2", "1"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: bytes, reason: str) -> None:
    preset = tmp_path / "own.yaml"
    preset.write_bytes(text)
    with pytest.raises(PresetError, match=reason) as caught:
        build_tracker(str(preset))
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    preset = tmp_path / "own.yaml"
    preset.write_text("# nothing\n")
    assert config_of(str(preset)) == CrosswalkTracker().config


def test_every_call_builds_a_new_tracker() -> None:
    assert build_tracker("crosswalk") is not build_tracker("crosswalk")
