"""Explanations of hand-made scenes: who was matched, who was second, and why."""

from __future__ import annotations

import json
import math
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
    table_of,
    view,
)

from trackers.explain import ExplainError, explain, explain_to
from trackers.presets import build_tracker
from trackers.staged import StagedTracker
from trackers.staged_config import StageConfig
from trackers.stages import StageOutcome, match

OVERLAP = StageConfig(min_overlap=0.2)
INF = math.inf


def explained(
    cost: list[list[float]],
    pairs: list[tuple[int, int]],
    limit: float = 0.8,
    vetoes: dict[str, list[list[bool]]] | None = None,
    looks: list[list[float]] | None = None,
    overlap: list[list[float]] | None = None,
) -> dict[str, Any]:
    """What is said of a stage in which tracks 1, 2 ... met detections 0, 1 ... at these costs."""
    costs = np.array(cost)
    table = table_of(*((k, 100.0 * k, 0.9 - k / 10) for k in range(len(costs))))
    frame = view([Sighting(0, box(50.0 * k), 0.5) for k in range(costs.shape[1])])
    terms = {"overlap": 1 - np.where(np.isinf(costs), 1.0, costs)}
    if overlap is not None:
        terms["overlap"] = np.array(overlap)
    if looks is not None:
        terms["appearance"] = np.array(looks)
    outcome = StageOutcome(
        np.arange(len(costs)),
        np.arange(costs.shape[1]),
        costs,
        terms,
        {name: np.array(forbidden) for name, forbidden in (vetoes or {}).items()},
        np.array(pairs, np.int64).reshape(-1, 2),
        limit,
    )
    return explain(frame, "test", outcome, table)


def runner_up(*args: Any, **settings: Any) -> tuple[int, float | None, str]:
    """Of the first match."""
    second = explained(*args, **settings)["matches"][0]["runner_up"]
    return second["track"], second["cost"], second["why"]


def best(*args: Any, **settings: Any) -> tuple[int, float | None, str]:
    """Of the first free detection."""
    first = explained(*args, **settings)["free"][0]["best"]
    return first["track"], first["cost"], first["why"]


def test_a_match_and_its_runner_up() -> None:
    said = explained([[0.18], [0.41], [0.7]], [(0, 0)])
    assert said == {
        "frame": 10,
        "time_s": 1.0,
        "stage": "test",
        "limit": 0.8,
        "matches": [
            {
                "track": 1,
                "detection": 0,
                "score": 0.5,
                "cost": 0.18,
                "terms": {"overlap": 0.82, "unseen_s": 0.1},
                "runner_up": {
                    "track": 2,
                    "cost": 0.41,
                    "terms": {"overlap": 0.59, "unseen_s": 0.2},
                    "why": "cost 0.41 > 0.18",
                },
            }
        ],
        "free": [],
    }


def test_without_a_second_track_there_is_no_runner_up() -> None:
    assert explained([[0.18]], [(0, 0)])["matches"][0]["runner_up"] is None


def test_why_a_runner_up_lost() -> None:
    assert runner_up([[0.3], [0.3]], [(0, 0)]) == (2, 0.3, "cost 0.3 >= 0.3")
    assert runner_up([[0.3], [0.95]], [(0, 0)]) == (2, 0.95, "over the limit: 0.95 >= 0.8")
    assert runner_up([[0.3, INF], [0.2, 0.12]], [(0, 0), (1, 1)]) == (
        2,
        0.2,
        "its track was taken by detection 1 at 0.12",
    )
    forbidden = {"min_overlap": [[False], [False]], "max_speed": [[False], [True]]}
    assert runner_up([[0.3], [INF]], [(0, 0)], vetoes=forbidden) == (2, None, "veto max_speed")
    forbidden["min_overlap"] = [[False], [True]]
    why = runner_up([[0.3], [INF]], [(0, 0)], vetoes=forbidden)[2]
    assert why == "veto min_overlap, max_speed"


def test_why_a_detection_stayed_free() -> None:
    taken = "its track was taken by detection 0 at 0.12"
    assert best([[0.12, 0.2]], [(0, 0)]) == (1, 0.2, taken)
    assert best([[0.12, 0.85]], [(0, 0)]) == (1, 0.85, "over the limit: 0.85 >= 0.8")
    assert best([[0.9], [0.8]], []) == (2, 0.8, "over the limit: 0.8 >= 0.8")
    far = {"max_growth": [[True], [True]]}
    assert best([[INF], [INF]], [], vetoes=far) == (1, None, "veto max_growth")


def test_of_forbidden_tracks_the_one_that_looks_nearest_is_named() -> None:
    vetoed = {"veto_distance": [[True], [True], [True]]}
    said = best([[INF]] * 3, [], vetoes=vetoed, looks=[[0.9], [0.7], [math.nan]])
    assert said[0] == 2


def test_of_forbidden_tracks_the_one_that_overlaps_most_is_named() -> None:
    vetoed = {"min_overlap": [[True], [True], [True]]}
    looks = [[0.1], [0.9], [0.2]]
    said = best([[INF]] * 3, [], vetoes=vetoed, looks=looks, overlap=[[0.0], [0.1], [0.05]])
    assert said[0] == 2


def test_what_is_unknown_is_null() -> None:
    said = explained([[0.2]], [(0, 0)], limit=INF, looks=[[math.nan]])
    assert said["limit"] is None
    assert said["matches"][0]["terms"]["appearance"] is None
    json.dumps(said, allow_nan=False)


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
    assert [(line["frame"], line["stage"]) for line in said] == [(1, "overlap")]
    (line,) = said
    found = {m["detection"]: (m["track"], m["runner_up"]["track"]) for m in line["matches"]}
    assert found == {0: (1, 2), 1: (2, 1)}
    assert all(m["cost"] == pytest.approx(0) for m in line["matches"])
    assert {m["runner_up"]["why"] for m in line["matches"]} == {"veto min_overlap"}
    (free,) = line["free"]
    assert (free["detection"], free["score"]) == (2, 0.8)
    taker = {1: 0, 2: 1}[free["best"]["track"]]
    assert free["best"]["why"] == f"its track was taken by detection {taker} at 0"


def test_the_lost_are_explained(tmp_path: Path) -> None:
    """Somebody who is farther off than people walk, and somebody who looks like two lost ones."""
    scene = [[Sighting(1, box(100)), Sighting(1, box(160))]] * 2
    far, twin = Sighting(1, box(3000)), Sighting(1, box(230))
    (line,) = written(tmp_path / "far.jsonl", [*scene, [far]], stages={"lost": LOST})[-1:]
    assert line["stage"] == "lost"
    assert line["matches"] == []
    assert line["free"][0]["best"]["why"] == "veto max_speed"
    table = table_of((1, 100, 0.9), (1, 160, 0.9))
    frame = view([twin])
    outcome = match(LOST, table, table.boxes_xyxy, frame, 2)
    assert outcome is not None
    said = explain(frame, "lost", outcome, table)["free"][0]["best"]
    assert said["why"] == "veto margin"
    assert said["terms"]["appearance"] == pytest.approx(
        float(outcome.terms["appearance"][0, 0]), abs=1e-5
    )


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
    for line in lines(path):
        assert line["stage"] in names
        said = [m["detection"] for m in line["matches"]] + [f["detection"] for f in line["free"]]
        assert len(set(said)) == len(said), "a detection has one fate in a stage"
        others = [m["runner_up"] for m in line["matches"]] + [f["best"] for f in line["free"]]
        assert all(other["why"].startswith(kinds) for other in others if other)
        assert all((o["cost"] is None) == o["why"].startswith("veto") for o in others if o)
        tracks = [m["track"] for m in line["matches"]]
        assert len(set(tracks)) == len(tracks)


def test_lines_are_the_matches_that_were_made(tmp_path: Path) -> None:
    """Frame, detection and track of the lines are those of the tracker's pieces."""
    scene = [[Sighting(p, box(50 + 5 * k, 100 + 150 * p)) for p in range(3)] for k in range(10)]
    path = tmp_path / "why.jsonl"
    with explain_to(path) as listener:
        tracker = build_tracker("crosswalk", on_stage=listener)
        run = Drive(tracker).run(scene)
    made = {
        (m["track"], line["frame"], m["detection"]) for line in lines(path) for m in line["matches"]
    }
    kept = {
        (piece.track_id, frame, row)
        for piece in run.pieces
        for frame, row in zip(
            piece.frame_indices.tolist(), piece.detection_rows.tolist(), strict=True
        )
        if frame  # the first detections are births, not matches
    }
    assert made == kept


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
