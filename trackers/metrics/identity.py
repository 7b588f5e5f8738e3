"""Identity metrics: IDF1, IDP, IDR.

Ristani, Solera, Zou, Cucchiara, Tomasi: "Performance Measures and a Data Set for Multi-Target,
Multi-Camera Tracking", ECCV Workshops 2016, equations 6 to 9.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from trackers.metrics.sequence import TrackingSequence


@dataclass(frozen=True)
class IdentityScores:
    """How many boxes carry the right identity under the best one-to-one naming of identities.

    Attributes:
        idtp: boxes with the right identity.
        idfp: reported boxes with a wrong identity or on nobody.
        idfn: boxes of the ground truth that were not found under the right identity.
    """

    idtp: int
    idfp: int
    idfn: int

    @property
    def idp(self) -> float:
        """Identification precision IDTP / (IDTP + IDFP), in 0..1; 0 without hypotheses."""
        return self.idtp / max(1, self.idtp + self.idfp)

    @property
    def idr(self) -> float:
        """Identification recall IDTP / (IDTP + IDFN), in 0..1; 0 without ground truth."""
        return self.idtp / max(1, self.idtp + self.idfn)

    @property
    def idf1(self) -> float:
        """Harmonic mean of IDP and IDR, in 0..1."""
        return self.idtp / max(1.0, self.idtp + 0.5 * self.idfp + 0.5 * self.idfn)


def identity_scores(sequence: TrackingSequence, min_similarity: float = 0.5) -> IdentityScores:
    """Score one sequence.

    The paper's cost of misses plus false positives is least where the number of boxes in common
    is largest, so one assignment of people to hypotheses on the (G, H) matrix of common boxes
    gives the same counts as the (G + H) square matrix of the paper.

    Args:
        sequence: what is compared.
        min_similarity: from which similarity on two boxes can be the same person's; higher
            asks for tighter boxes.
    """
    common = np.zeros((sequence.n_gt_ids, sequence.n_hyp_ids), np.int64)
    for gt_ids, hyp_ids, similarity in zip(
        sequence.gt_ids, sequence.hyp_ids, sequence.similarities, strict=True
    ):
        gt, hyp = np.nonzero(similarity >= min_similarity)
        common[gt_ids[gt], hyp_ids[hyp]] += 1
    rows, columns = linear_sum_assignment(common, maximize=True)
    idtp = int(common[rows, columns].sum())
    return IdentityScores(idtp, sequence.n_hyp_boxes - idtp, sequence.n_gt_boxes - idtp)


def combine_identity(scores: Iterable[IdentityScores]) -> IdentityScores:
    """Scores over several sequences whose people have nothing to do with each other."""
    listed = list(scores)
    return IdentityScores(
        sum(s.idtp for s in listed), sum(s.idfp for s in listed), sum(s.idfn for s in listed)
    )
