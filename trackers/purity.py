"""Find where a track ran from one person onto another, and cut it there.

Impure tracks cost a multi-camera system more than broken ones: a cut is mended by the
association, which compares whole visits, but two people in one track can never be told apart
again. Crossings and gaps are therefore tested afterwards, when both sides are known, with the
means of the clean (uncrowded) embeddings of either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from trackers.history import Observation
from trackers.ranges import COUNT, FROM_ZERO


@dataclass(frozen=True)
class PurityConfig:
    """When a track is cut.

    Attributes:
        event_distance: cosine distance of the two sides' means above which a crossing or gap is
            cut; lower cuts more often.
        calm_distance: the same where nothing happened; 2 never cuts there.
        gap_s: a pause between detections of at least this counts as an event.
        side: at most this many embeddings of either side are averaged.
        min_side: fewer embeddings than this on a side say nothing.
    """

    event_distance: float = 0.5
    calm_distance: float = 2.0
    gap_s: float = 0.6
    side: int = 6
    min_side: int = 1

    RANGES = MappingProxyType(
        {
            "event_distance": FROM_ZERO,
            "calm_distance": FROM_ZERO,
            "gap_s": FROM_ZERO,
            "side": COUNT,
            "min_side": COUNT,
        }
    )


def split_at_changes(
    observations: list[Observation], config: PurityConfig
) -> list[list[Observation]]:
    """Cut one track into runs of one person each, in time order."""
    embedded = [i for i, o in enumerate(observations) if o.feature is not None]
    clean = [i for i in embedded if not observations[i].crowded]
    if len(clean) < 2:
        return [observations]
    cuts = [0]
    for place in range(1, len(clean)):
        left, right = clean[place - 1], clean[place]
        before = [i for i in clean[:place] if i >= cuts[-1]][-config.side :]
        after = clean[place : place + config.side]
        if min(len(before), len(after)) < config.min_side:
            continue
        cut = _event(observations, left, right, config)
        limit = config.calm_distance if cut is None else config.event_distance
        if _distance(observations, before, after) > limit and _is_peak(
            observations, clean, place, config
        ):
            cuts.append(right if cut is None else cut)
    edges = [*cuts, len(observations)]
    return [observations[a:b] for a, b in pairwise(edges) if b > a]


def _event(
    observations: list[Observation], left: int, right: int, config: PurityConfig
) -> int | None:
    """Index at which to cut if something happened between two clean embeddings."""
    gaps = [observations[i].time_s - observations[i - 1].time_s for i in range(left + 1, right + 1)]
    longest = int(np.argmax(gaps))
    if gaps[longest] >= config.gap_s:
        return left + 1 + longest
    crowded = [i for i in range(left + 1, right) if observations[i].crowded]
    if crowded:
        return crowded[len(crowded) // 2]
    return None


def _mean(observations: list[Observation], rows: list[int]) -> NDArray[np.float32]:
    features = [f for i in rows if (f := observations[i].feature) is not None]
    total = np.sum(features, 0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32)


def _distance(observations: list[Observation], before: list[int], after: list[int]) -> float:
    return float(1 - _mean(observations, before) @ _mean(observations, after))


def _is_peak(
    observations: list[Observation], clean: list[int], place: int, config: PurityConfig
) -> bool:
    """Whether the difference is largest here among the neighbouring places."""

    def at(p: int) -> float:
        if p < 1 or p >= len(clean):
            return -1.0
        before, after = clean[max(0, p - config.side) : p], clean[p : p + config.side]
        return _distance(observations, before, after)

    here = at(place)
    return all(here >= at(place + step) for step in (-2, -1, 1, 2))
