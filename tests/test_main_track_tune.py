"""`track-tune` from the command line: what it finds, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.tracking.sequence_builders import CountingEmbedder, write_sequence
from tests.test_main import call
from tests.test_main_bad_input import refused
from trackers.presets import build_tracker


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Three sequences, in one of which a person is lost for a while."""
    monkeypatch.setattr("pipeline.detector.Detector", lambda: None)
    monkeypatch.setattr("pipeline.embedder.load_embedder", lambda weights: CountingEmbedder())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    for name, gap in (("one", range(0)), ("two", range(8, 12)), ("three", range(5, 8))):
        write_sequence(tmp_path / "data", name, 20, gap=gap)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "data"


def words(data: Path, *more: str) -> list[str]:
    quick = ["--trials", "6", "--searches", "2", "--variants", "low-rate"]
    return ["--data", str(data), "--detections", "det/det.txt", *quick, *more]


def found(data: Path, *more: str) -> dict[str, Any]:
    done = call("track-tune", *words(data, *more), "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_every_sequence_is_left_out_once(data: Path) -> None:
    said = found(data, "--jobs", "1")
    assert [one["name"] for one in said["sequences"]] == ["one", "three", "two"]
    assert set(said["settings_of_folds"]) == {"one", "two", "three"}
    for one in said["sequences"]:
        assert min(one["before"], one["held_out"], one["tuned_on_all"]) >= 0
        assert max(one["before"], one["held_out"], one["tuned_on_all"]) <= 1
    mean = [sum(one[key] for one in said["sequences"]) for key in ("before", "tuned_on_all")]
    assert mean[1] >= mean[0], "the start is one of the candidates"


def test_processes_change_nothing(data: Path) -> None:
    few = ("--trials", "5", "--searches", "1", "--variants", "none", "--jobs")
    assert found(data, *few, "1") == found(data, *few, "2")


def test_the_preset_that_is_written_has_what_was_found(data: Path) -> None:
    said = found(data, "--jobs", "1", "--out", "mine.yaml")
    assert build_tracker("mine.yaml").config == build_tracker("crosswalk", said["settings"]).config
    before = Path("mine.yaml").read_text()
    assert "--out mine.yaml: is there already" in refused(
        call("track-tune", *words(data, "--out", "mine.yaml"))
    )
    assert Path("mine.yaml").read_text() == before


def test_a_table_for_people(data: Path) -> None:
    done = call("track-tune", *words(data, "--jobs", "1"))
    assert done.exit_code == 0
    for text in ("tuned on the others", "three", "mean", "stages.confident.limit"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--preset", "nope"], "no preset 'nope'"),
        (["--preset", "sort"], "--preset sort: has no ranges; give --space (there are: crosswalk)"),
        (["--preset", "sort", "--space", "SPACE"], "space.yaml: tracker setting stages.confident"),
        (["--space", "WIDE"], "wide.yaml: tracker setting births.min_score"),
        (["--space", "WHOLE"], "whole.yaml: tracker setting births.confirm_hits"),
        (["--out", "gone/mine.yaml"], "--out gone/mine.yaml: gone is no folder"),
        (["--variants", "bars,upside-down"], "--variants upside-down: none of backwards"),
        (["--searches", "0"], "--searches"),
        (["--space", "gone.yaml"], "gone.yaml: cannot read it"),
        (["--trials", "0"], "--trials"),
        (["--detections", "det/none.txt"], "det/none.txt: no such file"),
    ],
)
def test_wrong_arguments_are_refused(data: Path, more: list[str], expected: str) -> None:
    files = {
        "SPACE": "stages.confident.limit: [0.5, 1]\n",
        "WIDE": "births.min_score: [0.5, 3]\n",
        "WHOLE": "births.confirm_hits: [1, 3]\n",
    }
    for word, text in files.items():
        Path(f"{word.lower()}.yaml").write_text(text)
    more = [f"{word.lower()}.yaml" if word in files else word for word in more]
    assert expected in refused(call("track-tune", *words(data, *more)))


def test_variants_are_searched_on_but_not_reported(data: Path) -> None:
    few = ("--jobs", "1", "--trials", "2", "--searches", "1", "--variants")
    plain, varied = found(data, *few, "none"), found(data, *few, "bars,low-rate")
    assert plain["variants"] == []
    assert varied["variants"] == ["bars", "low-rate"]
    for one, two in zip(plain["sequences"], varied["sequences"], strict=True):
        assert (one["name"], one["before"]) == (two["name"], two["before"])


def test_one_sequence_is_too_few(data: Path) -> None:
    assert "two or more sequences" in refused(call("track-tune", *words(data / "one")))
