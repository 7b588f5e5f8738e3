"""Variants of a labelled sequence: people and labels stay together, and nothing else is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.tracking.observations import FrameObservations
from pipeline.tracking.sequence_folder import read_sequences
from pipeline.tracking.variants import VARIANTS, Seen
from reid.embeddings import Embeddings
from tests.pipeline.tracking.sequence_builders import write_sequence
from trackers.detections import Detections
from trackers.metrics import MotLabels
from trackers.metrics.boxes import iou_matrix
from trackers.presets import build_tracker

FRAMES = 60
SHIFT = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]])


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    """Two people for six seconds at 10 frames per second, seen perfectly; every box embedded."""
    write_sequence(tmp_path, "walk", FRAMES)
    (sequence,) = read_sequences([tmp_path / "walk"])
    labels = sequence.labels()
    frames = []
    for index in range(FRAMES):
        rows = np.flatnonzero(labels.rows.frames == index + 1)
        boxes = labels.rows.boxes_xyxy[rows].astype(np.float32)
        # Each box's embedding names the frame and the person.
        names = np.stack([np.full(len(rows), float(index)), labels.rows.ids[rows]], 1)
        frames.append(
            FrameObservations(
                Detections(boxes, np.full(len(rows), 0.9)),
                Embeddings(
                    names.astype(np.float32),
                    np.zeros((len(rows), 1, 1), np.float32),
                    np.ones((len(rows), 1), np.float32),
                    "test",
                ),
                np.arange(len(rows)),
                SHIFT * [[1, 1, index], [1, 1, index]] if index in (20, 21, 40) else None,
            )
        )
    return Seen(sequence, sequence.fps, frames, labels)


def boxes_of(labels: MotLabels, index: int) -> np.ndarray:
    return labels.rows.boxes_xyxy[labels.rows.frames == index + 1]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_detection_stays_on_a_labelled_person(seen: Seen, name: str) -> None:
    other = VARIANTS[name](seen)
    assert sum(len(frame.detections) for frame in other.frames) > 0
    for index, frame in enumerate(other.frames):
        labelled = boxes_of(other.labels, index)
        overlap = iou_matrix(frame.detections.boxes_xyxy.astype(np.float64), labelled)
        if len(frame.detections):
            assert (overlap.max(1) > 0.7).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_embeddings_stay_with_their_boxes(seen: Seen, name: str) -> None:
    other = VARIANTS[name](seen)
    for frame in other.frames:
        assert len(frame.embeddings) == len(frame.embedded_rows)
        for feature, row in zip(frame.embeddings.global_features, frame.embedded_rows, strict=True):
            index, person = int(feature[0]), int(feature[1])
            rows = seen.labels.rows
            (label,) = rows.boxes_xyxy[(rows.frames == index + 1) & (rows.ids == person)]
            box = frame.detections.boxes_xyxy[row].astype(np.float64)
            assert iou_matrix(box[None], label[None])[0, 0] > 0.7


@pytest.mark.parametrize("name", VARIANTS)
def test_they_are_the_same_every_time_and_leave_the_sequence_alone(seen: Seen, name: str) -> None:
    before = [frame.detections.boxes_xyxy.copy() for frame in seen.frames]
    one, two = VARIANTS[name](seen), VARIANTS[name](seen)
    for a, b in zip(one.frames, two.frames, strict=True):
        np.testing.assert_array_equal(a.detections.boxes_xyxy, b.detections.boxes_xyxy)
    for frame, boxes in zip(seen.frames, before, strict=True):
        np.testing.assert_array_equal(frame.detections.boxes_xyxy, boxes)


def test_backwards_twice_is_as_recorded(seen: Seen) -> None:
    once = VARIANTS["backwards"](seen)
    np.testing.assert_array_equal(once.labels.rows.frames, FRAMES + 1 - seen.labels.rows.frames)
    # Frame k came from frame k - 1 by a motion; backwards, k - 1 comes from k by its inverse.
    np.testing.assert_allclose(
        once.frames[FRAMES - 20].camera_motion, [[1, 0, -40], [0, 1, 20]], atol=1e-9
    )
    twice = VARIANTS["backwards"](once)
    for a, b in zip(twice.frames, seen.frames, strict=True):
        np.testing.assert_array_equal(a.detections.boxes_xyxy, b.detections.boxes_xyxy)
        if b.camera_motion is None:
            assert a.camera_motion is None
        else:
            np.testing.assert_allclose(a.camera_motion, b.camera_motion)


def test_a_low_rate_keeps_every_nth_frame_and_adds_motions_up(seen: Seen) -> None:
    low = VARIANTS["low-rate"](seen)
    assert low.fps == 5
    assert len(low.frames) == 30
    np.testing.assert_array_equal(
        low.frames[7].detections.boxes_xyxy, seen.frames[14].detections.boxes_xyxy
    )
    assert low.frames[9].camera_motion is None
    np.testing.assert_allclose(low.frames[10].camera_motion, [[1, 0, 40], [0, 1, -20]])
    np.testing.assert_allclose(low.frames[11].camera_motion, [[1, 0, 42], [0, 1, -21]])
    assert low.frames[12].camera_motion is None


def test_a_fast_camera_loses_more_frames(seen: Seen) -> None:
    low = VARIANTS["low-rate"](replace(seen, fps=25.0))
    assert low.fps == 6.25
    assert len(low.frames) == 15


def test_classes_follow_their_labels(seen: Seen) -> None:
    classes = np.where(seen.labels.rows.ids == 1, 1, 8)
    low = VARIANTS["low-rate"](replace(seen, labels=MotLabels(seen.labels.rows, classes)))
    assert low.labels.classes is not None
    np.testing.assert_array_equal(low.labels.classes, np.where(low.labels.rows.ids == 1, 1, 8))


def test_bars_hide_people_for_a_while_and_the_labels_know_all(seen: Seen) -> None:
    seen = replace(seen, fps=1.0)  # 60 s, so that there are many bars
    barred = VARIANTS["bars"](seen)
    assert barred.labels is seen.labels
    counts = np.array([len(frame.detections) for frame in barred.frames])
    full = np.array([len(frame.detections) for frame in seen.frames])
    assert (counts <= full).all()
    assert 0 < (counts < full).sum() < len(full)


def test_a_bad_detector_trembles_and_is_less_sure(seen: Seen) -> None:
    bad = VARIANTS["bad-boxes"](seen)
    scores = np.concatenate([frame.detections.scores for frame in bad.frames])
    assert scores.mean() == pytest.approx(0.85 * 0.9, abs=0.02)
    moved = np.concatenate(
        [
            a.detections.boxes_xyxy - b.detections.boxes_xyxy
            for a, b in zip(bad.frames, seen.frames, strict=True)
        ]
    )
    assert moved[:, 0].std() == pytest.approx(0.03 * 14, rel=0.35)
    assert moved[:, 1].std() == pytest.approx(0.03 * 36, rel=0.35)


def test_figures_of_a_perfectly_seen_sequence(seen: Seen) -> None:
    figures = replace(seen, frames=[replace(f, camera_motion=None) for f in seen.frames]).figures(
        build_tracker("sort")
    )
    assert figures.idf1 > 0.95
    assert figures.idsw == 0
