"""Metrics on sequences small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.metrics import (
    TrackingSequence,
    clear_scores,
    combine_identity,
    combine_scores,
    coverage_matrix,
    hota_scores,
    identity_scores,
    ignored_rows,
    iou_matrix,
    score_sequence,
)
from trackers.motfile import MotRows


def one_person(hyp_ids: list[int | None], similarity: float = 1.0) -> TrackingSequence:
    """Person 7 in every frame, reported under the given ids (None: missed)."""
    return TrackingSequence(
        tuple(np.array([7]) for _ in hyp_ids),
        tuple(np.array([] if i is None else [i], np.int64) for i in hyp_ids),
        tuple(np.full((1, 0 if i is None else 1), similarity) for i in hyp_ids),
    )


def rows(*values: tuple[int, int, float, float, float, float]) -> MotRows:
    """`frame, id, left, top, right, bottom` per row."""
    table = np.array(values, np.float64).reshape(-1, 6)
    return MotRows(table[:, 0], table[:, 1], table[:, 2:], np.ones(len(table)))


@pytest.mark.parametrize(
    ("a", "b", "iou", "coverage"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0, 1.0),
        ([0, 0, 10, 10], [5, 0, 15, 10], 1 / 3, 0.5),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0.0, 0.0),
        ([2, 2, 4, 4], [0, 0, 10, 10], 0.04, 1.0),
        ([3, 3, 3, 3], [0, 0, 10, 10], 0.0, 0.0),
        ([3, 3, 3, 3], [3, 3, 3, 3], 0.0, 0.0),
    ],
)
def test_overlap_of_two_boxes(a: list[float], b: list[float], iou: float, coverage: float) -> None:
    assert iou_matrix([a], [b])[0, 0] == pytest.approx(iou)
    assert coverage_matrix([a], [b])[0, 0] == pytest.approx(coverage)


def test_overlap_of_no_boxes_has_the_right_shape() -> None:
    assert iou_matrix(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)
    assert coverage_matrix(np.zeros((2, 4)), []).shape == (2, 0)


@pytest.mark.parametrize(
    ("hyp_ids", "idtp", "idfp", "idfn", "idsw", "fragments", "mota"),
    [
        ([1, 1, 1, 1], 4, 0, 0, 0, 0, 1.0),
        ([1, 1, 1, 2], 3, 1, 1, 1, 0, 0.75),
        ([1, 2, 1, 2], 2, 2, 2, 3, 0, 0.25),
        ([1, None, 1, 1], 3, 0, 1, 0, 0, 0.75),
        ([None, None, None, None], 0, 0, 4, 0, 0, 0.0),
    ],
)
def test_one_person_counted_by_hand(
    hyp_ids: list[int | None],
    idtp: int,
    idfp: int,
    idfn: int,
    idsw: int,
    fragments: int,
    mota: float,
) -> None:
    sequence = one_person(hyp_ids)
    identity, clear = identity_scores(sequence), clear_scores(sequence)
    assert (identity.idtp, identity.idfp, identity.idfn) == (idtp, idfp, idfn)
    assert (clear.idsw, clear.fragments) == (idsw, fragments)
    assert clear.mota == pytest.approx(mota)
    assert identity.idf1 == pytest.approx(2 * idtp / (2 * idtp + idfp + idfn))


def test_a_track_is_fragmented_when_found_again_while_others_are_seen() -> None:
    gt, hyp = [np.array([1, 2])] * 3, [np.array([1, 2]), np.array([2]), np.array([1, 2])]
    similarities = [np.eye(2), np.array([[0.0], [1.0]]), np.eye(2)]
    scores = clear_scores(TrackingSequence(tuple(gt), tuple(hyp), tuple(similarities)))
    assert scores.fragments == 1
    assert (scores.mostly_tracked, scores.partly_tracked, scores.mostly_lost) == (1, 1, 0)


def test_clear_keeps_the_pair_of_the_frame_before_although_another_overlaps_more() -> None:
    one = np.array([1])
    sequence = TrackingSequence(
        (one, one),
        (np.array([5]), np.array([5, 6])),
        (np.array([[0.9]]), np.array([[0.6, 0.95]])),
    )
    scores = clear_scores(sequence)
    assert scores.idsw == 0
    assert scores.motp == pytest.approx(0.75)
    assert (scores.precision, scores.recall) == (pytest.approx(2 / 3), 1.0)


def test_hota_of_a_switch_in_the_middle() -> None:
    scores = hota_scores(one_person([1, 1, 2, 2]))
    assert scores.det_a == pytest.approx(1.0)
    assert scores.ass_a == pytest.approx(0.5)
    assert scores.hota == pytest.approx(np.sqrt(0.5))
    assert scores.ass_pr_at == pytest.approx(np.ones(19))
    assert scores.ass_re_at == pytest.approx(np.full(19, 0.5))


def test_hota_counts_a_box_only_up_to_its_similarity() -> None:
    scores = hota_scores(one_person([1, 1], similarity=0.72))
    assert scores.tp.tolist() == [2] * 14 + [0] * 5
    assert scores.fp.tolist() == scores.fn.tolist() == [0] * 14 + [2] * 5
    assert scores.hota == pytest.approx(14 / 19)
    assert scores.loc_a_at[0] == pytest.approx(0.72)


def test_the_threshold_can_be_changed() -> None:
    sequence = one_person([1, 1], similarity=0.4)
    assert score_sequence(sequence).identity.idf1 == 0.0
    assert score_sequence(sequence, min_similarity=0.3).clear.mota == 1.0


def test_many_hypotheses_for_few_people_need_no_square_matrix() -> None:
    scores = identity_scores(one_person(list(range(3000))))
    assert (scores.idtp, scores.idfp, scores.idfn) == (1, 2999, 2999)


def test_combining_counts_twice_what_is_there_twice() -> None:
    scores = score_sequence(one_person([1, 1, 2]))
    twice = combine_scores([scores, scores])
    assert twice.identity.idtp == 2 * scores.identity.idtp
    assert twice.clear.idsw == 2 * scores.clear.idsw
    assert twice.clear.mota == pytest.approx(scores.clear.mota)
    assert twice.hota.hota == pytest.approx(scores.hota.hota)


def test_combining_nothing_scores_nothing() -> None:
    nothing = combine_scores([])
    assert (nothing.identity.idf1, nothing.clear.mota, nothing.hota.hota) == (0.0, 0.0, 0.0)
    assert combine_identity([]).idr == 0.0


def test_ids_are_renumbered_in_ascending_order() -> None:
    sequence = TrackingSequence(
        (np.array([50, 3]), np.array([], np.int64), np.array([8])),
        (np.array([-4]), np.array([10**12]), np.array([], np.int64)),
        (np.zeros((2, 1)), np.zeros((0, 1)), np.zeros((1, 0))),
    )
    assert [ids.tolist() for ids in sequence.gt_ids] == [[2, 0], [], [1]]
    assert [ids.tolist() for ids in sequence.hyp_ids] == [[0], [1], []]
    assert (sequence.n_gt_ids, sequence.n_hyp_ids) == (3, 2)
    assert (sequence.n_gt_boxes, sequence.n_hyp_boxes) == (3, 2)
    assert sequence.gt_id_counts().tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("gt", "hyp", "similarity", "message"),
    [
        ([[1]], [[1], [2]], [np.eye(1)], "1 frames of ground truth, 2 of hypotheses"),
        ([[1, 2]], [[1]], [np.eye(2)], r"frame 0: similarities are \(2, 2\), not \(2, 1\)"),
        ([[1], [9, 9]], [[1], [1]], [np.eye(1), np.ones((2, 1))], "id 9 is twice in frame 1"),
        ([[1]], [[4, 4]], [np.ones((1, 2))], "id 4 is twice in frame 0 of the hypotheses"),
    ],
)
def test_sequences_that_do_not_fit_are_refused(
    gt: list[list[int]], hyp: list[list[int]], similarity: list[np.ndarray], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TrackingSequence(
            tuple(np.array(ids) for ids in gt),
            tuple(np.array(ids) for ids in hyp),
            tuple(similarity),
        )


def test_rows_become_a_sequence_over_the_frames_that_have_boxes() -> None:
    gt = rows((900, 1, 0, 0, 10, 10), (2, 1, 0, 0, 10, 10))
    hyp = rows((2, 5, 0, 0, 10, 5), (2, 6, 50, 0, 60, 10), (40, 5, 0, 0, 1, 1))
    sequence = TrackingSequence.from_rows(gt, hyp)
    assert [ids.tolist() for ids in sequence.gt_ids] == [[0], [], [0]]
    assert [ids.tolist() for ids in sequence.hyp_ids] == [[0, 1], [0], []]
    np.testing.assert_allclose(sequence.similarities[0], [[0.5, 0.0]])


def test_rows_of_nothing_become_an_empty_sequence() -> None:
    sequence = TrackingSequence.from_rows(MotRows.empty(), MotRows.empty())
    assert sequence.gt_ids == ()
    assert score_sequence(sequence).identity.idf1 == 0.0


@pytest.mark.parametrize(
    ("hyp_box", "ignored"),
    [
        pytest.param((100, 0, 110, 10), True, id="inside the ignore box"),
        pytest.param((96, 0, 106, 10), True, id="sixty percent inside"),
        pytest.param((95, 0, 105, 10), False, id="exactly half inside"),
        pytest.param((0, 0, 10, 10), False, id="elsewhere, on nobody"),
        pytest.param((108, 0, 118, 10), False, id="on a labelled person inside the ignore box"),
    ],
)
def test_boxes_in_ignore_regions(hyp_box: tuple[float, ...], ignored: bool) -> None:
    gt = rows((3, 1, 109, 0, 119, 10))
    ignore = rows((3, -1, 100, 0, 120, 10))
    assert ignored_rows(gt, rows((3, 9, *hyp_box)), ignore).tolist() == [ignored]


def test_only_one_of_two_hypotheses_is_kept_by_a_labelled_box() -> None:
    gt = rows((1, 1, 0, 0, 10, 10))
    hyp = rows((1, 5, 0, 0, 10, 8), (1, 6, 0, 0, 10, 10))
    ignore = rows((1, -1, 0, 0, 50, 50))
    assert ignored_rows(gt, hyp, ignore).tolist() == [True, False]


def test_ignore_boxes_of_other_frames_do_nothing() -> None:
    hyp = rows((2, 5, 0, 0, 10, 10), (1, 5, 0, 0, 10, 10))
    ignore = rows((1, -1, 0, 0, 10, 10), (3, -1, 0, 0, 10, 10))
    assert ignored_rows(MotRows.empty(), hyp, ignore).tolist() == [False, True]
    assert ignored_rows(MotRows.empty(), hyp, MotRows.empty()).tolist() == [False, False]
