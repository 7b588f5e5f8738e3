"""Multi-object tracking metrics, equal to TrackEval's: HOTA, CLEAR and Identity."""

from trackers.metrics.boxes import coverage_matrix, iou_matrix
from trackers.metrics.clear import ClearScores, clear_scores, combine_clear
from trackers.metrics.hota import ALPHAS, HotaScores, combine_hota, hota_scores
from trackers.metrics.identity import IdentityScores, combine_identity, identity_scores
from trackers.metrics.ignore import ignored_rows
from trackers.metrics.scores import SequenceScores, combine_scores, score_sequence
from trackers.metrics.sequence import TrackingSequence

__all__ = [
    "ALPHAS",
    "ClearScores",
    "HotaScores",
    "IdentityScores",
    "SequenceScores",
    "TrackingSequence",
    "clear_scores",
    "combine_clear",
    "combine_hota",
    "combine_identity",
    "combine_scores",
    "coverage_matrix",
    "hota_scores",
    "identity_scores",
    "ignored_rows",
    "iou_matrix",
    "score_sequence",
]
