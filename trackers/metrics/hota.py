"""HOTA: one score for detection, association and localisation.

Luiten, Osep, Dendorfer, Torr, Geiger, Leal-Taixe, Leibe: "HOTA: A Higher Order Metric for
Evaluating Multi-Object Tracking", IJCV 2021, equations 5 to 12.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from trackers.metrics.sequence import TrackingSequence

ALPHAS = np.arange(0.05, 0.99, 0.05)
"""(19,) similarities from which on a box is found: 0.05, 0.10 ... 0.95."""

EPSILON = float(np.finfo(np.float64).eps)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class HotaScores:
    """Scores at each of the 19 `ALPHAS`; the properties without suffix are means over them.

    Attributes:
        tp: (19,) int64 boxes found.
        fp: (19,) int64 reported boxes on nobody.
        fn: (19,) int64 boxes missed.
        ass_a_at: (19,) association accuracy, mean over the boxes found of TPA / (TPA + FPA + FNA).
        ass_re_at: (19,) association recall, mean of TPA / (TPA + FNA).
        ass_pr_at: (19,) association precision, mean of TPA / (TPA + FPA).
        similarity_sum: (19,) sum of the similarities of the boxes found.
    """

    tp: Ints
    fp: Ints
    fn: Ints
    ass_a_at: Floats
    ass_re_at: Floats
    ass_pr_at: Floats
    similarity_sum: Floats

    @property
    def det_a_at(self) -> Floats:
        """(19,) detection accuracy TP / (TP + FP + FN)."""
        return self.tp / np.maximum(1, self.tp + self.fp + self.fn)

    @property
    def hota_at(self) -> Floats:
        """(19,) geometric mean of detection and association accuracy."""
        return np.sqrt(self.det_a_at * self.ass_a_at)

    @property
    def loc_a_at(self) -> Floats:
        """(19,) mean similarity of the boxes found; 1 where there are none."""
        return np.where(self.tp > 0, self.similarity_sum / np.maximum(1, self.tp), 1.0)

    @property
    def hota(self) -> float:
        """HOTA, in 0..1."""
        return float(self.hota_at.mean())

    @property
    def det_a(self) -> float:
        """DetA, in 0..1."""
        return float(self.det_a_at.mean())

    @property
    def ass_a(self) -> float:
        """AssA, in 0..1."""
        return float(self.ass_a_at.mean())

    @property
    def loc_a(self) -> float:
        """LocA, in 0..1."""
        return float(self.loc_a_at.mean())


def hota_scores(sequence: TrackingSequence) -> HotaScores:
    """Score one sequence at all `ALPHAS`."""
    gt, hyp, similarity = _matches(sequence)
    found = similarity[None, :] >= ALPHAS[:, None] - EPSILON
    tp = found.sum(axis=1)
    pairs, pair_of_match = np.unique(gt * max(1, sequence.n_hyp_ids) + hyp, return_inverse=True)
    pair_gt, pair_hyp = np.divmod(pairs, max(1, sequence.n_hyp_ids))
    gt_counts = sequence.gt_id_counts()[pair_gt]
    hyp_counts = sequence.hyp_id_counts()[pair_hyp]
    tpa = np.array([np.bincount(pair_of_match[row], minlength=len(pairs)) for row in found])

    def mean_over_found(totals: Ints) -> Floats:
        return (tpa * tpa / np.maximum(1, totals)).sum(axis=1) / np.maximum(1, tp)

    return HotaScores(
        tp=tp,
        fp=sequence.n_hyp_boxes - tp,
        fn=sequence.n_gt_boxes - tp,
        ass_a_at=mean_over_found(gt_counts + hyp_counts - tpa),
        ass_re_at=mean_over_found(gt_counts),
        ass_pr_at=mean_over_found(hyp_counts),
        similarity_sum=(found * similarity).sum(axis=1),
    )


def combine_hota(scores: Iterable[HotaScores]) -> HotaScores:
    """Scores over several sequences: counts add up, association is weighted by boxes found."""
    listed = list(scores)
    zeros = np.zeros(len(ALPHAS), np.int64)
    tp = np.sum([zeros, *(s.tp for s in listed)], axis=0)

    def weighted(name: str) -> Floats:
        return np.sum([zeros, *(getattr(s, name) * s.tp for s in listed)], axis=0) / np.maximum(
            1, tp
        )

    return HotaScores(
        tp=tp,
        fp=np.sum([zeros, *(s.fp for s in listed)], axis=0),
        fn=np.sum([zeros, *(s.fn for s in listed)], axis=0),
        ass_a_at=weighted("ass_a_at"),
        ass_re_at=weighted("ass_re_at"),
        ass_pr_at=weighted("ass_pr_at"),
        similarity_sum=np.sum([zeros * 0.0, *(s.similarity_sum for s in listed)], axis=0),
    )


def _alignment(sequence: TrackingSequence) -> Floats:
    """(G, H) Jaccard alignment of every person with every hypothesis over the whole sequence."""
    potential = np.zeros((sequence.n_gt_ids, sequence.n_hyp_ids))
    for gt_ids, hyp_ids, similarity in zip(
        sequence.gt_ids, sequence.hyp_ids, sequence.similarities, strict=True
    ):
        rivals = similarity.sum(0)[None, :] + similarity.sum(1)[:, None] - similarity
        share = np.zeros_like(similarity)
        np.divide(similarity, rivals, out=share, where=rivals > EPSILON)
        potential[gt_ids[:, None], hyp_ids[None, :]] += share
    counts = sequence.gt_id_counts()[:, None] + sequence.hyp_id_counts()[None, :]
    return potential / (counts - potential)


def _matches(sequence: TrackingSequence) -> tuple[Ints, Ints, Floats]:
    """The pairs of all frames that serve association best: people, hypotheses, similarities."""
    alignment = _alignment(sequence)
    gt, hyp, similarities = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for gt_ids, hyp_ids, similarity in zip(
        sequence.gt_ids, sequence.hyp_ids, sequence.similarities, strict=True
    ):
        score = alignment[gt_ids[:, None], hyp_ids[None, :]] * similarity
        rows, columns = linear_sum_assignment(score, maximize=True)
        gt.append(gt_ids[rows])
        hyp.append(hyp_ids[columns])
        similarities.append(similarity[rows, columns])
    return np.concatenate(gt), np.concatenate(hyp), np.concatenate(similarities)
