"""The labelled office recording as MOTChallenge sequences."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import office_sequences
from pipeline.tracking.sequence_folder import read_sequences
from tests.pipeline.made_video import write_video
from trackers.detections import Detections
from trackers.motfile import MotRows


def rows_of(frames: list[int], ids: list[int]) -> MotRows:
    boxes = np.tile([10.0, 20.0, 30.0, 70.0], (len(frames), 1))
    return MotRows(np.array(frames), np.array(ids), boxes, np.ones(len(frames), np.float32))


def test_who_was_away_for_long_is_a_new_person() -> None:
    split = office_sequences.split_at_absences(
        rows_of([1, 1, 2, 5, 6, 10, 11], [7, 9, 7, 7, 9, 7, 7]), 4
    )
    by_id = {int(k): split.frames[split.ids == k].tolist() for k in np.unique(split.ids)}
    assert sorted(by_id.values()) == [[1], [1, 2, 5], [6], [10, 11]]


class OneBox:
    """Finds the same box in every picture."""

    def detect(self, images: list[np.ndarray]) -> list[Detections]:
        return [Detections(np.array([[10, 20, 30, 70]]), np.array([0.8])) for _ in images]


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shared" / "data" / "office3"
    (folder / "gt").mkdir(parents=True)
    write_video(folder / "Cam1.mp4", 6)
    (folder / "gt" / "Cam1.txt").write_text("1,4,10,20,20,50,1,1,1\n4,4,10,20,20,50,1,1,1\n")
    (folder / "gt" / "ignore_Cam1.txt").write_text("2,-1,10,20,20,50\n6,-1,10,20,20,50\n")
    monkeypatch.setattr(office_sequences, "Detector", OneBox)
    return tmp_path / "shared"


def test_what_is_written_is_a_sequence(shared: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    words = ["--to", str(to), "--shared", str(shared), "--away", "0.08"]
    assert office_sequences.main(words) == 0
    (sequence,) = read_sequences([to])
    assert (sequence.name, len(sequence), sequence.fps) == ("Cam1", 4, 10.0)
    labels = sequence.labels()
    assert labels.classes is not None
    assert labels.classes.tolist() == [1, 1, 8]
    assert labels.rows.frames.tolist() == [1, 4, 2], "what is after the last label is left out"
    assert len(set(labels.rows.ids.tolist())) == 3
    for found in sequence.detections("det/default.txt"):
        np.testing.assert_allclose(found.boxes_xyxy, [[10, 20, 30, 70]])
        np.testing.assert_allclose(found.scores, [0.8])
    picture = cv2.imread(str(to / "Cam1" / "img1" / "000004.jpg"))
    assert picture is not None


def test_what_is_there_stays(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert office_sequences.main(["--to", str(shared), "--shared", str(shared)]) == 2
    assert "is there already" in capsys.readouterr().err
