"""Presets by name; what does not exist or does not fit is refused by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trackers.explain import explain_to
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
    preset.write_text("stages: {all: {}}\nmotion:\n  position: 0.2\n  acceleration: 3\n")
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
        ({"stages": {"lost": {"nothing": 3}}}, "stages.lost.nothing"),
        ({"stages.own.limit": 0.3}, "stages.own.limit: there is no such stage.*confident"),
        ({"stages": {"own": {"limit": 0.3}}}, "stages.own: there is no such stage.*confident"),
        ({"stages.own": {"limit": 0.3}}, "stages.own: there is no such stage.*confident"),
        ({"stages": {"own": {}}}, "stages.own: there is no such stage.*confident"),
        ({"stages.own": 3}, "stages.own"),
        ({"stages": {"lost": {"limit": "far"}}}, "stages.lost.limit"),
        ({"stages": {"lost": {"tracks": "some"}}}, "stages.lost.tracks: 'some' .*tentative"),
        ({"stages": {"lost": {"combine": 1}}}, "stages.lost.combine"),
        ({"stages": {"lost": {"restart": 1}}}, "stages.lost.restart"),
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


def test_what_a_file_does_not_say_is_the_default(tmp_path: Path) -> None:
    preset = tmp_path / "own.yaml"
    preset.write_text("stages: {all: {}}\n")
    assert config_of(str(preset)) == TrackerConfig(stages={"all": StageConfig()})


@pytest.mark.parametrize("text", ["# nothing\n", "stages: {}\n"])
def test_a_tracker_without_stages_is_refused(tmp_path: Path, text: str) -> None:
    preset = tmp_path / "own.yaml"
    preset.write_text(text)
    with pytest.raises(PresetError, match=r"own\.yaml: .*at least one stage"):
        build_tracker(str(preset))
    with pytest.raises(PresetError, match=r"^tracker setting stages: .*at least one stage"):
        build_tracker("sort", {"stages.overlap": None})


def test_what_a_file_says_wrongly_is_said_with_its_name(tmp_path: Path) -> None:
    preset = tmp_path / "own.yaml"
    preset.write_text("stages:\n  all: {limit: -1}\n")
    with pytest.raises(PresetError) as caught:
        build_tracker(str(preset))
    assert str(caught.value) == (
        f"{preset}: tracker setting stages.all.limit: -1 is out of range: above 0 and at most 100"
    )


def test_where_a_file_is_no_yaml_is_said(tmp_path: Path) -> None:
    preset = tmp_path / "own.yaml"
    preset.write_text("stages:\n  all: {limit: 1\nmin_score: 0.1\n")
    with pytest.raises(PresetError, match=r"own\.yaml: not YAML: line 3: "):
        build_tracker(str(preset))


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


def test_overrides_leave_the_preset_as_it_was() -> None:
    before = config_of("crosswalk")
    name = next(iter(before.stages))
    config_of("crosswalk", {f"stages.{name}.limit": 0.01, f"stages.{name}": {"margin": 0.5}})
    assert config_of("crosswalk") == before


def test_a_listener_reaches_the_tracker(tmp_path: Path) -> None:
    with explain_to(tmp_path / "why.jsonl") as listener:
        assert build_tracker("crosswalk", on_stage=listener)._on_stage is listener
