from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import benchmarks.trackers as trackers
from benchmarks.synthetic_people import Crowd, Scene
from benchmarks.tracker_ablation import ABLATIONS, Ablation, ablation_table, run_ablations
from benchmarks.tracker_ours import Clocked, Observed, run_ours
from pipeline.tracking.observations import FrameObservations
from pipeline.tracking.sequence_folder import SequenceFolder, read_sequences
from reid.embeddings import Embeddings
from trackers.detections import Detections
from trackers.presets import build_tracker

FRAMES = 40
SCENE = Scene(people=4, missed=0.15, dimensions=16, parts=2, part_dimensions=8, size_wh=(640, 480))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence of four people whom the labels know in every frame and the detector in most."""
    folder = tmp_path_factory.mktemp("data") / "walk"
    for name in ("img1", "gt", "det"):
        (folder / name).mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    complete = Scene(people=4, missed=0, faint=0, false_boxes=0, size_wh=(640, 480))
    labels, found = [], []
    for number, frame in enumerate(Crowd(complete, 0).frames(FRAMES), start=1):
        cv2.imwrite(str(folder / "img1" / f"{number:06d}.jpg"), picture)
        for person, (left, top, right, bottom) in enumerate(frame.detections.boxes_xyxy):
            box = f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"
            labels.append(f"{number},{person + 1},{box},1,-1,-1\n")
            if (number + 3 * person) % 7:
                found.append(f"{number},-1,{box},0.8\n")
    (folder / "gt" / "gt.txt").write_text("".join(labels))
    (folder / "det" / "some.txt").write_text("".join(found))
    (folder / "seqinfo.ini").write_text("[Sequence]\nname=walk\nframeRate=25\n")
    return folder


@pytest.fixture(scope="module")
def observed(folder: Path) -> list[Observed]:
    sequence = read_sequences([folder])[0]
    return [Observed(sequence, list(Crowd(SCENE, 0).frames(FRAMES)))]


def _without_embeddings(
    sequence: SequenceFolder, detections: list[Detections], embedder: object, cache: Path
) -> list[FrameObservations]:
    """Saves loading the network, whose vectors of noise would say nothing."""
    blank = np.zeros((0, 1), np.float32)
    nothing = Embeddings(blank, blank[:, :, None], blank, "")
    return [FrameObservations(d, nothing, np.zeros(0, np.int64)) for d in detections]


@pytest.fixture
def unpinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "pin_to_one_core", lambda: "not pinned in a test")


def test_own_runs_are_scored_with_and_without_filled_boxes(observed: list[Observed]) -> None:
    run = run_ours(lambda: build_tracker("crosswalk"), observed)
    assert run.boxes == sum(len(frame.detections) for frame in observed[0].frames)
    assert 0 < run.embedded < run.boxes
    assert run.filled["walk"] != run.detected["walk"]
    assert run.filled["walk"].frames == FRAMES
    assert run.filled["walk"].seconds > 0


def test_the_clock_changes_nothing(observed: list[Observed]) -> None:
    plain, clocked = build_tracker("crosswalk"), Clocked(build_tracker("crosswalk"))
    for index, frame in enumerate(observed[0].frames):
        for tracker in (plain, clocked):
            wanted = tracker.embedding_requests(index / 25, frame.detections)
            tracker.update(index, index / 25, frame.detections, *frame.requested(wanted))
        assert str(plain.live()) == str(clocked.live())
    assert len(plain.close()) == len(clocked.close()) > 0
    assert clocked.seconds > 0


def test_every_ablation_fits_the_tracker_and_has_its_own_name() -> None:
    assert len({a.name for a in ABLATIONS}) == len(ABLATIONS)
    for ablation in ABLATIONS:
        build_tracker("crosswalk", ablation.overrides)


def test_ablations_stand_beside_the_preset(observed: list[Observed]) -> None:
    changes = (
        Ablation("blind", appearance=False),
        Ablation("every box", {"economy.every_box": True}),
        Ablation("no tracks", {"births.min_score": 1.0}),
        Ablation("old setting", {"no_such_setting": 1}),
    )
    rows = run_ablations("crosswalk", observed, changes)
    base, blind, every, none, old = rows
    assert blind.embedded == 0 < base.embedded < every.embedded
    assert none.entry.mean.hota == 0
    assert "no_such_setting" in old.entry.failure
    lines = ablation_table(rows).splitlines()[2:]
    assert lines[0].startswith(f"| as it is | {100 * base.entry.mean.hota:.1f} | +0.0 |")
    assert lines[3].startswith(f"| no tracks | 0.0 | {-100 * base.entry.mean.hota:+.1f} |")
    assert lines[4].startswith("| old setting | **did not run** |")
    assert {line.count("|") for line in lines} == {10}


def test_a_run_prints_ours_and_says_which_peers_did_not_run(
    folder: Path,
    tmp_path: Path,
    unpinned: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trackers, "load_embedder", lambda weights: None)
    monkeypatch.setattr(trackers, "observe_sequence", _without_embeddings)
    page = tmp_path / "docs" / "TRACKERS.md"
    words = ["--data", str(folder), "--detections", "det/some.txt", "--cache", str(tmp_path)]
    words += ["--presets", "crosswalk", "--out", str(page), "--peers", "ocsort", "strongsort"]
    reid = tmp_path / "reid.pth"
    reid.write_bytes(b"")
    peers = ["--peer-python", str(tmp_path / "nowhere"), "--reid", str(reid)]
    assert trackers.main([*words, *peers]) == 0
    text = capsys.readouterr().out
    assert text.strip() in page.read_text()
    assert text.count("| **Crosswalk crosswalk**, gaps filled |") == 2
    assert "**OC-SORT, YAML defaults did not run**: BoxMOT's ReID:" in text
    assert "| StrongSORT, class defaults, boxes from 0.3 | **did not run** |" in text
    assert trackers.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    detected, filled = found["entries"]
    assert filled["mean"]["hota"] > detected["mean"]["hota"] > 0.5
    assert found["sequences"] == ["walk"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--detections", "det/none.txt"], "det/none.txt"),
        (["--presets", "nobody"], "nobody"),
        (["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path,
    tmp_path: Path,
    unpinned: None,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    copy = tmp_path / "walk"
    shutil.copytree(folder, copy)
    given = ["--data", str(copy), "--detections", "det/some.txt", "--cache", str(tmp_path / "c")]
    assert trackers.main([*given, *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
