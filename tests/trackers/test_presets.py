"""Presets by name; what does not exist or does not fit is refused by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trackers.presets import PRESETS, PresetError, build_tracker
from trackers.staged import StagedTracker
from trackers.staged_config import StageConfig, TrackerConfig


def config_of(preset: str, overrides: dict[str, Any] | None = None) -> Any:
    tracker = build_tracker(preset, overrides)
    assert isinstance(tracker, StagedTracker)
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
    assert config.economy.every_box is False
    assert config_of("crosswalk", {"economy.every_box": True}).economy.every_box is True


def test_an_override_changes_one_setting_of_a_part_only(tmp_path: Path) -> None:
    preset = tmp_path / "own.yaml"
    preset.write_text("motion:\n  position: 0.2\n  acceleration: 3\n")
    for overrides in ({"motion": {"position": 0.1}}, {"motion.position": 0.1}):
        config = config_of(str(preset), overrides)
        assert (config.motion.position, config.motion.acceleration) == (0.1, 3.0)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"mni_score": 0.4}, "mni_score"),
        ({"motion.nothing": 0.4}, "nothing"),
        ({"motion": {"nothing": 1}}, "nothing"),
        ({"motion.position.more": 1}, "position.more"),
        ({"min_score.more": 0.4}, "min_score.more"),
        ({"min_score": "much"}, "min_score"),
        ({"min_score": None}, "min_score"),
        ({"min_score": True}, "min_score"),
        ({"economy.every_box": 1}, "economy.every_box"),
        ({"economy.young_embeddings": 2.5}, "economy.young_embeddings"),
        ({"motion": 3}, "motion"),
        ({"motion": None}, "motion"),
        ({"motion.": 3}, r"'motion\.'"),
        ({7: 3}, "7"),
        ({"stages": 3}, "stages"),
        ({"stages": None}, "stages"),
        ({"stages": {"own": 3}}, "stages.own"),
        ({"stages": {"own": {"nothing": 3}}}, "stages.own.nothing"),
        ({"stages.own.limit": 0.3}, "stages.own.limit"),
        ({"stages.own": 3}, "stages.own"),
        ({"stages": {"own": {"limit": "far"}}}, "stages.own.limit"),
        ({"stages": {"own": {"tracks": "some"}}}, "stages.own.tracks: 'some' .*tentative"),
        ({"stages": {"own": {"combine": 1}}}, "stages.own.combine"),
        ({"stages": {"own": {"restart": 1}}}, "stages.own.restart"),
        ({"stages": {"own": None}}, "stages.own: no such stage"),
        ({"stages.own": None}, "stages.own: no such stage"),
        ({"motion.state": "xyz"}, "motion.state"),
        ({"appearance.memory": ["average"]}, "appearance.memory"),
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
    assert config_of(str(preset)) == TrackerConfig()


def test_every_call_builds_a_new_tracker() -> None:
    assert build_tracker("crosswalk") is not build_tracker("crosswalk")


def own_stages(tmp_path: Path, overrides: dict[str, Any] | None = None) -> Any:
    preset = tmp_path / "own.yaml"
    preset.write_text("stages:\n  near: {min_overlap: 0.3}\n  far: {limit: 0.7, margin: 0.1}\n")
    return config_of(str(preset), overrides).stages


def test_stages_keep_their_order_and_what_is_not_said_is_the_default(tmp_path: Path) -> None:
    expected = {"near": StageConfig(min_overlap=0.3), "far": StageConfig(limit=0.7, margin=0.1)}
    assert list(own_stages(tmp_path).items()) == list(expected.items())


@pytest.mark.parametrize(
    "overrides",
    [{"stages.far.limit": 1}, {"stages": {"far": {"limit": 1}}}, {"stages.far": {"limit": 1}}],
)
def test_one_setting_of_one_stage_is_overridden(tmp_path: Path, overrides: dict[str, Any]) -> None:
    stages = own_stages(tmp_path, overrides)
    assert stages == {"near": StageConfig(min_overlap=0.3), "far": StageConfig(limit=1, margin=0.1)}


@pytest.mark.parametrize("overrides", [{"stages.near": None}, {"stages": {"near": None}}])
def test_a_stage_is_taken_out(tmp_path: Path, overrides: dict[str, Any]) -> None:
    assert list(own_stages(tmp_path, overrides)) == ["far"]


def test_a_stage_is_added_last(tmp_path: Path) -> None:
    stages = own_stages(tmp_path, {"stages": {"more": {"place": "observed"}}})
    assert list(stages) == ["near", "far", "more"]
    assert stages["more"] == StageConfig(place="observed")


def test_overrides_leave_the_preset_as_it_was() -> None:
    before = config_of("crosswalk")
    name = next(iter(before.stages))
    config_of("crosswalk", {f"stages.{name}.limit": 0.01, "stages.other": {"limit": 0.5}})
    assert config_of("crosswalk") == before


def test_a_listener_reaches_the_tracker() -> None:
    def listener(*told: object) -> None:
        """Never called here."""

    assert build_tracker("crosswalk", on_stage=listener)._on_stage is listener
