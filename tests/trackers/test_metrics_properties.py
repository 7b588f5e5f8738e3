"""What must hold of the metrics for every sequence, against slow and obvious computations."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackers.metrics import (
    TrackingSequence,
    combine_identity,
    coverage_matrix,
    identity_scores,
    ignored_rows,
    iou_matrix,
    score_sequence,
)
from trackers.motfile import MotRows

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


def random_rows(rng: np.random.Generator, n_frames: int = 8, n_ids: int = 4) -> MotRows:
    """Boxes of whole pixels that often overlap; each id at most once in a frame."""
    present = np.argwhere(rng.random((n_frames, n_ids)) < 0.7)
    left_top = rng.integers(0, 12, (len(present), 2))
    sizes_wh = rng.integers(4, 12, (len(present), 2))
    boxes = np.hstack([left_top, left_top + sizes_wh]).astype(np.float32)
    rows = MotRows(present[:, 0] + 1, present[:, 1], boxes, np.ones(len(present)))
    return rows.select(rng.permutation(len(rows)))


def random_pair(seed: int) -> tuple[MotRows, MotRows]:
    rng = np.random.default_rng(seed)
    return random_rows(rng), random_rows(rng)


def idtp_by_trying_everything(sequence: TrackingSequence) -> int:
    """The largest number of right boxes over all one-to-one namings of the hypotheses."""
    size = max(sequence.n_gt_ids, sequence.n_hyp_ids)
    common = np.zeros((size, size), int)
    for gt, hyp, similarity in zip(
        sequence.gt_ids, sequence.hyp_ids, sequence.similarities, strict=True
    ):
        for row, column in np.argwhere(similarity >= 0.5):
            common[gt[row], hyp[column]] += 1
    return max(
        sum(int(common[row, column]) for row, column in enumerate(columns))
        for columns in permutations(range(size))
    )


@few
@given(seeds)
def test_identity_finds_the_best_naming(seed: int) -> None:
    sequence = TrackingSequence.from_rows(*random_pair(seed))
    scores = identity_scores(sequence)
    assert scores.idtp == idtp_by_trying_everything(sequence)
    assert scores.idtp + scores.idfn == sequence.n_gt_boxes
    assert scores.idtp + scores.idfp == sequence.n_hyp_boxes


@few
@given(seeds)
def test_names_do_not_matter(seed: int) -> None:
    gt, hyp = random_pair(seed)
    renamed = MotRows(hyp.frames, 1000 - 7 * hyp.ids, hyp.boxes_xyxy, hyp.scores)
    one = score_sequence(TrackingSequence.from_rows(gt, hyp))
    other = score_sequence(TrackingSequence.from_rows(gt, renamed))
    assert one.identity == other.identity
    assert one.clear.mota == pytest.approx(other.clear.mota)
    np.testing.assert_allclose(one.hota.hota_at, other.hota.hota_at)


@few
@given(seeds, st.integers(1, 10**6))
def test_pauses_between_frames_do_not_matter(seed: int, pause: int) -> None:
    gt, hyp = random_pair(seed)
    one = score_sequence(TrackingSequence.from_rows(gt, hyp))
    other = score_sequence(TrackingSequence.from_rows(gt.shifted(pause), hyp.shifted(pause)))
    assert (one.identity, one.clear) == (other.identity, other.clear)


@few
@given(seeds)
def test_the_truth_scores_one_and_every_score_is_a_share(seed: int) -> None:
    gt, hyp = random_pair(seed)
    scores = score_sequence(TrackingSequence.from_rows(gt, hyp))
    for share in (
        scores.identity.idf1,
        scores.identity.idp,
        scores.identity.idr,
        scores.hota.hota,
        scores.hota.det_a,
        scores.hota.ass_a,
        scores.hota.loc_a,
        scores.clear.motp,
    ):
        assert 0.0 <= share <= 1.0
    assert scores.clear.mota <= 1.0
    if len(gt):
        truth = score_sequence(TrackingSequence.from_rows(gt, gt))
        assert (truth.identity.idf1, truth.clear.mota) == (1.0, 1.0)
        assert truth.hota.hota == pytest.approx(1.0)


@few
@given(seeds)
def test_sequences_of_strangers_combine_as_their_union(seed: int) -> None:
    """With different people in each, adding counts and scoring the union are the same."""
    pairs = [random_pair(seed), random_pair(seed + 1)]
    apart = combine_identity(identity_scores(TrackingSequence.from_rows(*pair)) for pair in pairs)
    gt, hyp = (
        MotRows.concatenate(
            [
                MotRows(r.frames + 100 * k, r.ids + 100 * k, r.boxes_xyxy, r.scores)
                for k, r in enumerate(side)
            ]
        )
        for side in zip(*pairs, strict=True)
    )
    assert identity_scores(TrackingSequence.from_rows(gt, hyp)) == apart


@few
@given(seeds)
def test_overlaps_agree_with_counting_pixels(seed: int) -> None:
    a, b = random_pair(seed)

    def pixels(boxes: np.ndarray) -> np.ndarray:
        masks = np.zeros((len(boxes), 30, 30), bool)
        for mask, (left, top, right, bottom) in zip(masks, boxes.astype(int), strict=True):
            mask[top:bottom, left:right] = True
        return masks

    masks_a, masks_b = pixels(a.boxes_xyxy)[:, None], pixels(b.boxes_xyxy)[None]
    common = (masks_a & masks_b).sum((2, 3))
    union = (masks_a | masks_b).sum((2, 3))
    np.testing.assert_allclose(iou_matrix(a.boxes_xyxy, b.boxes_xyxy), common / union)
    own = masks_a.sum((2, 3))
    np.testing.assert_allclose(coverage_matrix(a.boxes_xyxy, b.boxes_xyxy), common / own)


@few
@given(seeds)
def test_ignored_boxes_are_covered_and_unmatched(seed: int) -> None:
    gt, hyp = random_pair(seed)
    ignore = random_rows(np.random.default_rng(seed + 1), n_ids=2)
    ignored = ignored_rows(gt, hyp, ignore)
    for row in range(len(hyp)):
        regions = ignore.boxes_xyxy[ignore.frames == hyp.frames[row]]
        labelled = gt.boxes_xyxy[gt.frames == hyp.frames[row]]
        covered = (coverage_matrix(hyp.boxes_xyxy[[row]], regions) > 0.5).any()
        candidate = (iou_matrix(labelled, hyp.boxes_xyxy[[row]]) >= 0.5).any()
        if ignored[row]:
            assert covered
        elif covered:
            assert candidate
