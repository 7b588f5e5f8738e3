"""CLEAR MOT metrics: MOTA, identity switches, fragments.

Bernardin and Stiefelhagen: "Evaluating Multiple Object Tracking Performance: The CLEAR MOT
Metrics", EURASIP Journal on Image and Video Processing 2008, section 2.1; mostly tracked and
mostly lost as in MOTChallenge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from trackers.metrics.sequence import TrackingSequence

EPSILON = float(np.finfo(np.float64).eps)
CONTINUATION_BONUS = 1000.0
MOSTLY_TRACKED = 0.8
MOSTLY_LOST = 0.2
NOBODY = -1


@dataclass(frozen=True)
class ClearScores:
    """Counts of one sequence, or of several.

    Attributes:
        tp: boxes found.
        fp: reported boxes on nobody.
        fn: boxes missed.
        idsw: identity switches: a person is found under another id than the last time.
        fragments: how often a person is found again after having been lost.
        mostly_tracked: people found in more than 80 % of their boxes.
        partly_tracked: people found in 20 to 80 % of their boxes.
        mostly_lost: people found in less than 20 % of their boxes.
        similarity_sum: sum of the similarities of the boxes found.
    """

    tp: int
    fp: int
    fn: int
    idsw: int
    fragments: int
    mostly_tracked: int
    partly_tracked: int
    mostly_lost: int
    similarity_sum: float

    @property
    def mota(self) -> float:
        """1 - (FP + FN + IDSW) / boxes, at most 1, may be negative; 0 without ground truth."""
        if self.tp + self.fn == 0:
            return 0.0
        return (self.tp - self.fp - self.idsw) / (self.tp + self.fn)

    @property
    def motp(self) -> float:
        """Mean similarity of the boxes found, in 0..1; 0 if there are none."""
        return self.similarity_sum / max(1, self.tp)

    @property
    def recall(self) -> float:
        """Share of the ground truth that was found, in 0..1."""
        return self.tp / max(1, self.tp + self.fn)

    @property
    def precision(self) -> float:
        """Share of the reported boxes that are on somebody, in 0..1."""
        return self.tp / max(1, self.tp + self.fp)


def clear_scores(sequence: TrackingSequence, min_similarity: float = 0.5) -> ClearScores:
    """Score one sequence.

    Args:
        sequence: what is compared.
        min_similarity: from which similarity on a box is found; higher asks for tighter boxes.
    """
    last_hyp = np.full(sequence.n_gt_ids, NOBODY)
    previous_hyp = np.full(sequence.n_gt_ids, NOBODY)
    matched_counts = np.zeros(sequence.n_gt_ids, np.int64)
    starts = np.zeros(sequence.n_gt_ids, np.int64)
    idsw, similarity_sum = 0, 0.0
    for gt_ids, hyp_ids, similarity in zip(
        sequence.gt_ids, sequence.hyp_ids, sequence.similarities, strict=True
    ):
        if similarity.size == 0:
            continue
        continues = hyp_ids[None, :] == previous_hyp[gt_ids][:, None]
        rows, columns = _match(similarity, continues, min_similarity)
        gt, hyp = gt_ids[rows], hyp_ids[columns]
        idsw += int(((last_hyp[gt] != NOBODY) & (last_hyp[gt] != hyp)).sum())
        starts[gt] += previous_hyp[gt] == NOBODY
        matched_counts[gt] += 1
        similarity_sum += float(similarity[rows, columns].sum())
        last_hyp[gt] = hyp
        previous_hyp[:] = NOBODY
        previous_hyp[gt] = hyp
    tp = int(matched_counts.sum())
    return ClearScores(
        tp,
        sequence.n_hyp_boxes - tp,
        sequence.n_gt_boxes - tp,
        idsw,
        int(np.maximum(starts - 1, 0).sum()),
        *_coverage(matched_counts, sequence.gt_id_counts()),
        similarity_sum,
    )


def combine_clear(scores: Iterable[ClearScores]) -> ClearScores:
    """Scores over several sequences: the counts add up."""
    listed = list(scores)
    names = [field.name for field in fields(ClearScores)]
    return ClearScores(**{name: sum(getattr(s, name) for s in listed) for name in names})


def _match(
    similarity: NDArray[np.float64], continues: NDArray[np.bool_], min_similarity: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of one frame: first keep pairs of the frame before, then maximise the similarity."""
    score = CONTINUATION_BONUS * continues + similarity
    score[similarity < min_similarity - EPSILON] = 0.0
    rows, columns = linear_sum_assignment(score, maximize=True)
    matched = score[rows, columns] > EPSILON
    return rows[matched], columns[matched]


def _coverage(matched_counts: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[int, int, int]:
    """How many people are mostly tracked, partly tracked and mostly lost."""
    ratios = matched_counts / np.maximum(1, counts)
    mostly = int((ratios > MOSTLY_TRACKED).sum())
    lost = int((ratios < MOSTLY_LOST).sum())
    return mostly, len(ratios) - mostly - lost, lost
