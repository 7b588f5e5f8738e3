from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import benchmarks.tracker_peers as peers
from benchmarks.tracker_peers import PeerError, call_child, known_table, run_peer, write_input
from benchmarks.tracker_scores import Entry, Score
from pipeline.tracking.sequence_folder import SequenceFolder, read_sequences
from trackers.detections import Detections

HERE = Path(sys.executable)
GT = "1,1,10,10,20,40,1,-1,-1\n2,1,11,10,20,40,1,-1,-1\n3,1,12,10,20,40,1,-1,-1\n"


@pytest.fixture
def sequence(tmp_path: Path) -> SequenceFolder:
    folder = tmp_path / "walk"
    for name in ("img1", "gt"):
        (folder / name).mkdir(parents=True)
    for number in (1, 2, 3):
        cv2.imwrite(str(folder / "img1" / f"{number:06d}.png"), np.zeros((60, 80, 3), np.uint8))
    (folder / "gt" / "gt.txt").write_text(GT)
    (folder / "seqinfo.ini").write_text("[Sequence]\nname=walk\nframeRate=5\n")
    return read_sequences([folder])[0]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "reid.pth"
    path.write_bytes(b"weights")
    return path


def boxes(shift: float = 0) -> list[Detections]:
    one = Detections(np.array([[10 + shift, 10, 30, 50]], np.float32), np.array([0.9], np.float32))
    two = Detections(np.tile(one.boxes_xyxy, (2, 1)), np.array([0.9, 0.1], np.float32))
    return [one, Detections.empty(), two]


def write_child(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_boxes_reach_the_peer_frame_by_frame(
    sequence: SequenceFolder, weights: Path, tmp_path: Path
) -> None:
    given = write_input(sequence, boxes(), weights, tmp_path / "cache")
    stored = np.load(given.boxes)
    assert stored["counts"].tolist() == [1, 0, 2]
    assert stored["boxes_xyxy"].shape == (3, 4)
    assert stored["scores"] == pytest.approx([0.9, 0.9, 0.1])
    job = given.job(tmp_path / "out.txt")
    assert [Path(name).name for name in job["images"]] == ["000001.png", "000002.png", "000003.png"]
    assert (job["name"], job["features"]) == ("walk", str(given.features))


def test_features_are_kept_per_boxes_and_weights(
    sequence: SequenceFolder, weights: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = write_input(sequence, boxes(), weights, cache)
    assert write_input(sequence, boxes(), weights, cache).features == first.features
    assert write_input(sequence, boxes(1), weights, cache).features != first.features
    weights.write_bytes(b"others")
    assert write_input(sequence, boxes(), weights, cache).features != first.features


def test_only_missing_features_are_made(
    sequence: SequenceFolder, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = write_child(
        tmp_path / "child.py",
        "import json, sys\n"
        "job = json.load(sys.stdin)\n"
        "assert job['do'] == 'embed' and job['weights'].endswith('reid.pt')\n"
        "open(job['sequences'][0]['features'], 'w').write('made')\n"
        "print('{}')\n",
    )
    monkeypatch.setattr(peers, "CHILD", child)
    given = write_input(sequence, boxes(), weights, tmp_path / "cache")
    peers.embed_inputs(HERE, [given], weights, tmp_path)
    assert given.features.read_text() == "made"
    given.features.write_text("kept")
    peers.embed_inputs(HERE, [given], weights, tmp_path)
    assert given.features.read_text() == "kept"


def test_a_peer_is_scored_with_and_without_post_processing(
    sequence: SequenceFolder, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = write_child(
        tmp_path / "child.py",
        "import json, sys\n"
        "job = json.load(sys.stdin)\n"
        f"text = {GT!r}\n"
        "open(job['sequences'][0]['out'], 'w').write(text)\n"
        "runs = [{'name': 'walk', 'frames': 3, 'seconds': 1.5}]\n"
        "print(json.dumps({'runs': runs, 'versions': {'boxmot': job['settings']}}))\n",
    )
    monkeypatch.setattr(peers, "CHILD", child)
    given = write_input(sequence, boxes(), weights, tmp_path / "cache")
    rates: list[float] = []

    def first_frame_only(rows, fps):
        rates.append(fps)
        return rows.select(rows.frames == 1)

    post = [("", lambda rows, fps: rows), (", cut", first_frame_only)]
    (whole, cut), versions = run_peer(HERE, "botsort", "class", [given], tmp_path, post)
    assert (whole.name, cut.name) == (
        "BoT-SORT, class defaults",
        "BoT-SORT, class defaults, cut",
    )
    assert whole.mean.hota == pytest.approx(1)
    assert whole.mean.hz == 2
    assert cut.mean.det_a == pytest.approx(1 / 3)
    assert (rates, versions) == ([5.0], {"boxmot": "class"})


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ("raise ValueError('no weights')", "ended with 1: ValueError: no weights"),
        ("import os\nos.kill(os.getpid(), 9)", "ended with -9: no message"),
        ("print('hello')", "not JSON: 'hello"),
    ],
)
def test_a_peer_that_fails_is_an_entry_with_the_reason(
    sequence: SequenceFolder,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    child: str,
    message: str,
) -> None:
    monkeypatch.setattr(peers, "CHILD", write_child(tmp_path / "child.py", child))
    given = write_input(sequence, boxes(), weights, tmp_path / "cache")
    post = [("", lambda rows, fps: rows)]
    (entry,), versions = run_peer(HERE, "ocsort", "yaml", [given], tmp_path, post)
    assert message in entry.failure
    assert (entry.name, entry.scores, versions) == ("OC-SORT, YAML defaults", {}, {})


def test_a_missing_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="nowhere/python: cannot be run"):
        call_child(tmp_path / "nowhere" / "python", {})


def test_known_figures_stand_beside_the_measured() -> None:
    score = Score(0.51396, 0.727, 0.5, 0.5, 1, 71, 1.0)
    entries = [
        Entry("ByteTrack, YAML defaults", {"TUD-Campus": score}),
        Entry("ByteTrack, class defaults", {"TUD-Campus": score}),
        Entry("OC-SORT, class defaults", {}, "crashed"),
    ]
    assert known_table(entries).splitlines()[2:] == [
        "| ByteTrack, class defaults | TUD-Campus | 51.4 / 72.7 | 51.4 / 71.7 | +0.0 / +1.0 |"
    ]
