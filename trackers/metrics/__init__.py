"""Multi-object tracking metrics, equal to TrackEval's: HOTA, CLEAR and Identity."""

from trackers.metrics.boxes import coverage_matrix, iou_matrix
from trackers.metrics.clear import ClearScores, clear_scores, combine_clear
from trackers.metrics.hota import ALPHAS, HotaScores, combine_hota, hota_scores
from trackers.metrics.identity import IdentityScores, combine_identity, identity_scores
from trackers.metrics.ignore import ignored_rows
from trackers.metrics.labels import MotLabels, comparable_rows, read_labels
from trackers.metrics.matching import best_pairs
from trackers.metrics.scores import SequenceScores, combine_scores, score_sequence
from trackers.metrics.sequence import TrackingSequence

__all__ = [
    "ALPHAS",
    "ClearScores",
    "HotaScores",
    "IdentityScores",
    "MotLabels",
    "SequenceScores",
    "TrackingSequence",
    "best_pairs",
    "clear_scores",
    "combine_clear",
    "combine_hota",
    "combine_identity",
    "combine_scores",
    "comparable_rows",
    "coverage_matrix",
    "hota_scores",
    "identity_scores",
    "ignored_rows",
    "iou_matrix",
    "read_labels",
    "score_sequence",
]
