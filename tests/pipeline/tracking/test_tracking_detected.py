"""The detector's boxes are found once, and anew whenever anything changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import pytest

from pipeline.tracking.detected import detect_sequence, files_digest
from pipeline.tracking.sequence_folder import SequenceFolder, read_sequences
from tests.pipeline.tracking.sequence_builders import (
    CountingDetector,
    box_ltwh,
    boxes_of,
    write_sequence,
)


@pytest.fixture
def sequence(tmp_path: Path) -> SequenceFolder:
    return read_sequences([write_sequence(tmp_path, n_frames=6)])[0]


@pytest.fixture
def detector(tmp_path: Path) -> Any:
    return CountingDetector(tmp_path / "weights")


def test_boxes_are_found_once(sequence: SequenceFolder, detector: Any, tmp_path: Path) -> None:
    cache, told = tmp_path / "deep" / "cache", []
    first = detect_sequence(sequence, detector, cache, lambda *at: told.append(at))
    again = detect_sequence(sequence, detector, cache, lambda *at: told.append(at))
    assert detector.pictures == 6
    assert told == [(done, 6) for done in range(1, 7)]
    assert boxes_of(first) == boxes_of(again)
    for frame, boxes in enumerate(boxes_of(first), start=1):
        expected = [
            (left, top, left + w, top + h)
            for left, top, w, h in (box_ltwh(1, frame), box_ltwh(2, frame))
        ]
        assert sorted(map(tuple, boxes)) == sorted(expected)
    assert [d.scores.tolist() for d in again] == [d.scores.tolist() for d in first]
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


def test_frames_without_people_keep_their_place(
    sequence: SequenceFolder, detector: Any, tmp_path: Path
) -> None:
    for index in (0, 3, 5):
        path = sequence.image_files[index]
        image = sequence.image(index) * 0
        cv2.imwrite(str(path), image)
    found = detect_sequence(sequence, detector, tmp_path / "cache")
    assert [len(d) for d in found] == [0, 2, 2, 0, 2, 0]


@pytest.mark.parametrize("change", ["weights", "size", "confidence", "picture", "time"])
def test_whatever_changes_is_looked_at_anew(
    sequence: SequenceFolder, detector: Any, tmp_path: Path, change: str
) -> None:
    detect_sequence(sequence, detector, tmp_path / "cache")
    picture = sequence.image_files[2]
    if change == "weights":
        detector.weights.write_text("other weights")
    elif change == "size":
        detector.image_size = 320
    elif change == "confidence":
        detector.confidence = 0.3
    elif change == "picture":
        picture.write_bytes(sequence.image_files[3].read_bytes())
    else:
        os.utime(picture, ns=(1, 1))
    detect_sequence(sequence, detector, tmp_path / "cache")
    assert detector.pictures == 12


def test_a_folder_of_weights_is_told_by_content_and_names(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.xml").write_text("network")
    (folder / "inner/b.bin").write_text("weights")
    before = files_digest(folder)
    assert files_digest(folder) == before
    (folder / "inner/b.bin").write_text("Weights")
    changed = files_digest(folder)
    (folder / "a.xml").rename(folder / "c.xml")
    assert len({before, changed, files_digest(folder)}) == 3
