"""All metrics of a sequence at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trackers.metrics.clear import ClearScores, clear_scores, combine_clear
from trackers.metrics.hota import HotaScores, combine_hota, hota_scores
from trackers.metrics.identity import IdentityScores, combine_identity, identity_scores
from trackers.metrics.sequence import TrackingSequence


@dataclass(frozen=True)
class SequenceScores:
    """HOTA, CLEAR and Identity of one sequence, or of several."""

    hota: HotaScores
    clear: ClearScores
    identity: IdentityScores


def score_sequence(sequence: TrackingSequence, min_similarity: float = 0.5) -> SequenceScores:
    """Score one sequence; `min_similarity` is for CLEAR and Identity (HOTA averages over it)."""
    return SequenceScores(
        hota_scores(sequence),
        clear_scores(sequence, min_similarity),
        identity_scores(sequence, min_similarity),
    )


def combine_scores(scores: Iterable[SequenceScores]) -> SequenceScores:
    """Scores over several sequences whose people have nothing to do with each other."""
    listed = list(scores)
    return SequenceScores(
        combine_hota(s.hota for s in listed),
        combine_clear(s.clear for s in listed),
        combine_identity(s.identity for s in listed),
    )
