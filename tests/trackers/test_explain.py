"""Files of explanations: what is in them belongs to the run, and they are written or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_builders import (
    EVERY_PRESET,
    LOST,
    THREE_STAGES,
    Drive,
    Sighting,
    box,
)

from trackers.explain import ExplainError, explain_to
from trackers.presets import build_tracker
from trackers.purity import PurityConfig
from trackers.staged import StagedTracker
from trackers.staged_config import StageConfig

OVERLAP = StageConfig(min_overlap=0.2)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path, scene: list[list[Sighting]], **changes: Any) -> list[dict[str, Any]]:
    """The lines of a run at 10 frames a second."""
    with explain_to(path) as listener:
        tracker = StagedTracker(replace(THREE_STAGES, **changes), listener)
        Drive(tracker, noise=0.0).run(scene)
    return lines(path)


def test_a_file_of_a_run(tmp_path: Path) -> None:
    """Two people stand; a third one, between them, comes too late for both tracks."""
    calm = [Sighting(1, box(100)), Sighting(2, box(130))]
    scene = [calm, [*calm, Sighting(3, box(115, 203), 0.8)]]
    said = written(tmp_path / "why.jsonl", scene, stages={"overlap": OVERLAP})
    assert [(line["frame"], line["stage"]) for line in said] == [
        (0, "births"),
        (1, "overlap"),
        (1, "births"),
    ]
    assert [one["track"] for one in said[0]["born"]] == [1, 2]
    assert [one["detection"] for one in said[2]["born"]] == [2]
    line = said[1]
    found = {m["detection"]: (m["track"], m["runner_up"]["track"]) for m in line["matches"]}
    assert found == {0: (1, 2), 1: (2, 1)}
    assert all(m["cost"] == pytest.approx(0) for m in line["matches"])
    assert {m["runner_up"]["why"] for m in line["matches"]} == {"veto min_overlap"}
    (free,) = line["free"]
    assert (free["detection"], free["score"]) == (2, 0.8)
    taker = {1: 0, 2: 1}[free["best"]["track"]]
    assert free["best"]["why"] == f"its track was taken by detection {taker} at 0"


def test_the_lost_are_explained(tmp_path: Path) -> None:
    """Somebody who is farther off than people walk."""
    scene = [[Sighting(1, box(100)), Sighting(1, box(160))]] * 2
    far = Sighting(1, box(3000))
    said = written(tmp_path / "far.jsonl", [*scene, [far]], stages={"lost": LOST})
    (line,) = [one for one in said if one["stage"] == "lost"][-1:]
    assert line["matches"] == []
    assert line["free"][0]["best"]["why"] == "veto max_speed"


@pytest.mark.parametrize("preset", EVERY_PRESET)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_listening_changes_nothing_and_every_reason_is_known(
    preset: str, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(seed)
    scene = [
        [
            Sighting(p, box(100 + 30 * p + rng.normal(0, 12)), float(rng.uniform(0.2, 1)))
            for p in range(4)
            if rng.random() < 0.8
        ]
        for _ in range(15)
    ]
    path = tmp_path_factory.mktemp("why") / "why.jsonl"
    with explain_to(path) as listener:
        heard = Drive(build_tracker(preset, on_stage=listener)).run(scene)
    silent = Drive(build_tracker(preset)).run(scene)
    assert str(heard.pieces) == str(silent.pieces)
    names = set(build_tracker(preset).config.stages)
    kinds = ("cost ", "veto ", "over the limit", "its track was taken by detection ")
    for line in (one for one in lines(path) if one["stage"] not in ("births", "ends", "cut")):
        assert line["stage"] in names
        said = [m["detection"] for m in line["matches"]] + [f["detection"] for f in line["free"]]
        assert len(set(said)) == len(said), "a detection has one fate in a stage"
        others = [m["runner_up"] for m in line["matches"]] + [f["best"] for f in line["free"]]
        others += [w["best"] for w in line["waiting"]]
        assert all(other["why"].startswith(kinds) for other in others if other)
        assert all((o["cost"] is None) == o["why"].startswith("veto") for o in others if o)
        tracks = [m["track"] for m in line["matches"]] + [w["track"] for w in line["waiting"]]
        assert len(set(tracks)) == len(tracks)


@pytest.mark.parametrize("preset", EVERY_PRESET)
def test_lines_lead_to_every_id_of_the_tracks(preset: str, tmp_path: Path) -> None:
    """Births, matches and cuts together give each detection the id that the pieces give it."""
    people = [(1, 2) if k < 14 else (2, 1) for k in range(30)]  # two people are exchanged
    scene = [
        [Sighting(p, box(100 + 2 * k, 100 + 250 * row)) for row, p in enumerate(here)]
        if not 12 <= k < 14
        else []
        for k, here in enumerate(people)
    ]
    path = tmp_path / "why.jsonl"
    with explain_to(path) as listener:
        run = Drive(build_tracker(preset, on_stage=listener)).run(scene)
    told: dict[tuple[int, int], int] = {}
    for line in lines(path):
        if line["stage"] == "cut":
            for key, track in told.items():
                if track == line["track"] and key[0] >= line["frame"]:
                    told[key] = line["becomes"]
        for one in [*line.get("matches", []), *line.get("born", [])]:
            told[line["frame"], one["detection"]] = one["track"]
    kept = {
        (frame, row): piece.track_id
        for piece in run.pieces
        for frame, row in zip(
            piece.frame_indices.tolist(), piece.detection_rows.tolist(), strict=True
        )
        if row >= 0
    }
    assert kept
    assert {key: told[key] for key in kept} == kept


def test_cuts_and_ends_are_told(tmp_path: Path) -> None:
    """Looks change in the middle of a track that overlap alone holds together."""
    config = replace(
        THREE_STAGES,
        stages={"overlap": OVERLAP},
        economy=replace(THREE_STAGES.economy, every_box=True),
        purity=PurityConfig(event_distance=0.4, calm_distance=0.4),
    )
    scene = [[Sighting(1 if k < 10 else 2, box(100))] for k in range(20)]
    path = tmp_path / "why.jsonl"
    with explain_to(path) as listener:
        run = Drive(StagedTracker(config, listener), noise=0.0).run([*scene, *[[]] * 25])
    (cut,) = [line for line in lines(path) if line["stage"] == "cut"]
    assert cut == {"frame": 10, "time_s": 1.0, "stage": "cut", "track": 1, "becomes": 2}
    (ends,) = [line for line in lines(path) if line["stage"] == "ends"]
    assert (ends["ended"][0]["track"], ends["ended"][0]["hits"]) == (1, 20)
    assert [piece.track_id for piece in run.pieces] == [1, 2]


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "why.jsonl"
    path.write_text("mine\n")
    with pytest.raises(ExplainError, match=r"why\.jsonl is already there"), explain_to(path):
        pass
    assert path.read_text() == "mine\n"
    with explain_to(path, overwrite=True):
        pass
    assert path.read_text() == ""


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "why.jsonl", tmp_path):
        with pytest.raises(ExplainError) as caught, explain_to(path, overwrite=True):
            pass
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("frames", [2, 2000])
def test_a_full_disk_is_named(frames: int) -> None:
    """Early, when the buffer is full, or at the latest when the file is closed."""
    here = [Sighting(1, box(100)), Sighting(2, box(300))]

    def run() -> None:
        with explain_to(Path("/dev/full"), overwrite=True) as listener:
            Drive(build_tracker("sort", on_stage=listener)).run([here] * frames)

    with pytest.raises(ExplainError, match="/dev/full: cannot be written"):
        run()


def test_errors_of_the_run_pass_through(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="camera"), explain_to(tmp_path / "why.jsonl"):
        raise OSError("camera")
