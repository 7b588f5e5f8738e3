"""HOTA, CLEAR and Identity equal TrackEval's, number by number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackers.metrics import (
    ALPHAS,
    SequenceScores,
    TrackingSequence,
    combine_scores,
    iou_matrix,
    score_sequence,
)
from trackers.motfile import MotRows, read_mot

metrics = pytest.importorskip("trackeval.metrics")
datasets = pytest.importorskip("trackeval.datasets")

MOT = Path(__file__).parents[2] / "../shared/data/mot"
TOLERANCE = 1e-6

HOTA_FIELDS = {
    "HOTA": "hota_at",
    "DetA": "det_a_at",
    "AssA": "ass_a_at",
    "AssRe": "ass_re_at",
    "AssPr": "ass_pr_at",
    "LocA": "loc_a_at",
    "HOTA_TP": "tp",
    "HOTA_FP": "fp",
    "HOTA_FN": "fn",
}
CLEAR_FIELDS = {
    "MOTA": "mota",
    "MOTP": "motp",
    "CLR_Re": "recall",
    "CLR_Pr": "precision",
    "CLR_TP": "tp",
    "CLR_FP": "fp",
    "CLR_FN": "fn",
    "IDSW": "idsw",
    "Frag": "fragments",
    "MT": "mostly_tracked",
    "PT": "partly_tracked",
    "ML": "mostly_lost",
}
IDENTITY_FIELDS = {
    "IDF1": "idf1",
    "IDP": "idp",
    "IDR": "idr",
    "IDTP": "idtp",
    "IDFP": "idfp",
    "IDFN": "idfn",
}


def trackeval_metrics() -> dict[str, Any]:
    quiet = {"PRINT_CONFIG": False}
    return {
        "hota": metrics.HOTA(),
        "clear": metrics.CLEAR(quiet),
        "identity": metrics.Identity(quiet),
    }


def trackeval_scores(sequence: TrackingSequence) -> dict[str, Any]:
    data = {
        "num_timesteps": len(sequence.gt_ids),
        "num_gt_ids": sequence.n_gt_ids,
        "num_tracker_ids": sequence.n_hyp_ids,
        "num_gt_dets": sequence.n_gt_boxes,
        "num_tracker_dets": sequence.n_hyp_boxes,
        "gt_ids": list(sequence.gt_ids),
        "tracker_ids": list(sequence.hyp_ids),
        "similarity_scores": list(sequence.similarities),
    }
    return {name: metric.eval_sequence(data) for name, metric in trackeval_metrics().items()}


def assert_equal(ours: SequenceScores, theirs: dict[str, Any]) -> None:
    for part, fields in (
        ("hota", HOTA_FIELDS),
        ("clear", CLEAR_FIELDS),
        ("identity", IDENTITY_FIELDS),
    ):
        for their_name, our_name in fields.items():
            np.testing.assert_allclose(
                getattr(getattr(ours, part), our_name),
                theirs[part][their_name],
                rtol=0,
                atol=TOLERANCE,
                err_msg=f"{part}.{our_name}",
            )
    for mean, per_alpha in (("hota", "HOTA"), ("det_a", "DetA"), ("ass_a", "AssA")):
        assert getattr(ours.hota, mean) == pytest.approx(np.mean(theirs["hota"][per_alpha]))
    assert ours.hota.loc_a == pytest.approx(np.mean(theirs["hota"]["LocA"]))


def random_sequence(
    seed: int, n_frames: int = 30, n_people: int = 6, n_tracks: int = 8, coarse: bool = False
) -> TrackingSequence:
    """People and tracks that come and go, track k mostly on person k, sometimes swapped."""
    rng = np.random.default_rng(seed)
    gt_ids, hyp_ids, similarities = [], [], []
    for _ in range(n_frames):
        gt = rng.permutation(n_people)[: rng.integers(0, n_people + 1)]
        hyp = rng.permutation(n_tracks)[: rng.integers(0, n_tracks + 1)]
        similarity = rng.random((len(gt), len(hyp))) * (
            rng.random((len(gt), len(hyp))) < 0.5
        ) + 0.4 * (gt[:, None] == hyp[None, :])
        similarity = np.minimum(similarity, 1.0)
        if coarse:  # exactly on the thresholds 0.05, 0.10 ... and 0.5
            similarity = np.round(similarity * 20) / 20
        gt_ids.append(gt)
        hyp_ids.append(hyp)
        similarities.append(similarity)
    return TrackingSequence(tuple(gt_ids), tuple(hyp_ids), tuple(similarities))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_frames=st.integers(0, 25),
    n_people=st.integers(0, 6),
    n_tracks=st.integers(0, 8),
    coarse=st.booleans(),
)
def test_random_sequences_score_as_in_trackeval(
    seed: int, n_frames: int, n_people: int, n_tracks: int, coarse: bool
) -> None:
    sequence = random_sequence(seed, n_frames, n_people, n_tracks, coarse)
    assert_equal(score_sequence(sequence), trackeval_scores(sequence))


@pytest.mark.parametrize(("n_people", "n_tracks"), [(0, 0), (0, 5), (5, 0)])
def test_sequences_without_people_or_without_tracks(n_people: int, n_tracks: int) -> None:
    sequence = random_sequence(3, 10, n_people, n_tracks)
    assert_equal(score_sequence(sequence), trackeval_scores(sequence))


@pytest.mark.parametrize("n_sequences", [1, 2, 5])
def test_combination_over_sequences(n_sequences: int) -> None:
    sequences = [random_sequence(seed, n_people=2 + seed) for seed in range(n_sequences)]
    sequences.append(random_sequence(99, n_tracks=0))
    theirs = [trackeval_scores(sequence) for sequence in sequences]
    combined = {
        name: metric.combine_sequences({str(k): scores[name] for k, scores in enumerate(theirs)})
        for name, metric in trackeval_metrics().items()
    }
    assert_equal(combine_scores(map(score_sequence, sequences)), combined)


def test_the_thresholds_are_trackevals() -> None:
    np.testing.assert_array_equal(ALPHAS, metrics.HOTA().array_labels)
    assert len(ALPHAS) == 19


@pytest.mark.parametrize("seed", range(3))
def test_iou_equals_trackevals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = rng.integers(0, 60, (2, 12, 4)).astype(float)
    boxes[..., 2:] += boxes[..., :2] + 1
    theirs = datasets.MotChallenge2DBox._calculate_box_ious(
        boxes[0], boxes[1], box_format="x0y0x1y1"
    )
    np.testing.assert_allclose(iou_matrix(boxes[0], boxes[1]), theirs, atol=1e-12)


def greedy_tracks(detections: MotRows, min_iou: float = 0.3) -> MotRows:
    """Ids for detections by overlap with the frame before: poor, but real, tracking."""
    ids = np.zeros(len(detections), np.int64)
    previous, n_ids = np.zeros(0, np.int64), 0
    for frame in np.unique(detections.frames):
        rows = np.flatnonzero(detections.frames == frame)
        iou = iou_matrix(detections.boxes_xyxy[previous], detections.boxes_xyxy[rows])
        for column, row in enumerate(rows):
            best = int(iou[:, column].argmax()) if len(previous) else -1
            if best >= 0 and iou[best, column] >= min_iou:
                ids[row] = ids[previous[best]]
                iou[best] = -1
            else:
                n_ids += 1
                ids[row] = n_ids
        previous = rows
    return MotRows(detections.frames, ids, detections.boxes_xyxy, detections.scores)


def mot_sequences() -> Iterator[tuple[str, TrackingSequence]]:
    for folder in sorted(MOT.iterdir()):
        gt = read_mot(folder / "gt/gt.txt", unique_ids=True)
        detections = read_mot(folder / "det/yolo11n_int8.txt")
        confident = detections.select(detections.scores > 0.4)
        yield folder.name, TrackingSequence.from_rows(gt, greedy_tracks(confident))


def test_mot_sequences_score_as_in_trackeval() -> None:
    if not MOT.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the MOT sequences are not at {MOT}")
        pytest.skip(f"the MOT sequences are not at {MOT}")
    ours, theirs = [], []
    for name, sequence in mot_sequences():
        ours.append(score_sequence(sequence))
        theirs.append(trackeval_scores(sequence))
        assert_equal(ours[-1], theirs[-1])
        assert 0.2 < ours[-1].identity.idf1 < 1.0, name
    assert len(ours) >= 2
    combined = {
        part: metric.combine_sequences({str(k): scores[part] for k, scores in enumerate(theirs)})
        for part, metric in trackeval_metrics().items()
    }
    assert_equal(combine_scores(ours), combined)
