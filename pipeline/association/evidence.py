"""How likely two tracklets are one person: looks, place and time, as log odds.

The model is a logistic regression on the global similarity and the aligned part distance,
both measured in units of the site's own spread between different people, which is estimated
without labels: nearly all pairs of tracklets are different people, so that the lower half of
all similarities shows their distribution. A camera with other light or lens then needs no
labels to be calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.association.nodes import Nodes
from reid.distances import aligned_distance
from storage.tracklets import Tracklet

Array = NDArray[np.float64]
Transits = Mapping[tuple[str, str], tuple[float, float]]
_ALIGNED = 256


@dataclass(frozen=True)
class Calibration:
    """Log odds = slope * (z - offset), z in spreads above the typical pair of strangers.

    Attributes:
        slope: log odds per spread; larger decides more sharply.
        offset: spreads at which a pair is as likely one person as two.
        part_weight: share of the aligned part distance in z.
        prior_centre, prior_spread: of the global similarity of strangers, used in full when
            there are no pairs and fading as pairs come in.
        prior_part_centre, prior_part_spread: the same for the aligned part distance.
        prior_pairs: how many pairs the prior is worth.
    """

    slope: float = 1.6
    offset: float = 1.8
    part_weight: float = 0.0
    prior_centre: float = 0.0
    prior_spread: float = 0.12
    prior_part_centre: float = 0.52
    prior_part_spread: float = 0.02
    prior_pairs: float = 300.0


@dataclass(frozen=True)
class Evidence:
    """Symmetric (N, N) matrices.

    Attributes:
        log_odds: of being one person, all things considered.
        similarity: cosine of the mean exemplars.
        part_distance: aligned part distance of the best exemplars, 0..0.76.
    """

    log_odds: Array
    similarity: Array
    part_distance: Array


def gather_evidence(
    nodes: Nodes, calibration: Calibration, transits: Transits | None = None
) -> Evidence:
    """All pairwise evidence of N tracklets; `transits` maps (from, to) camera to (min, max) s."""
    similarity = (nodes.means @ nodes.means.T).astype(np.float64)
    parts = _part_distances(nodes, similarity)
    c = calibration
    lower = np.tril_indices(len(nodes), -1)
    centre, spread = _strangers(similarity[lower], c.prior_centre, c.prior_spread, c.prior_pairs)
    z = (similarity - centre) / spread
    if c.part_weight:
        near, width = _strangers(
            -parts[lower], -c.prior_part_centre, c.prior_part_spread, c.prior_pairs
        )
        z = (1 - c.part_weight) * z + c.part_weight * (-parts - near) / width
    log_odds = c.slope * (z - c.offset) + _continuity(nodes.tracklets)
    if transits:
        log_odds += _transit(nodes.tracklets, transits)
    return Evidence(log_odds, similarity, parts)


def _part_distances(nodes: Nodes, similarity: Array) -> Array:
    """(N, N) between the tracklets' best exemplars; pairs that share no part get the mean.

    So do, in large archives, pairs of which neither is among the other's 256 most similar: they
    are strangers whatever their parts say, and there are too many of them to align.
    """
    count = len(nodes)
    out = np.full((count, count), np.nan)
    for row in range(count):
        near = np.arange(count)
        if count > _ALIGNED:
            near = np.argpartition(-similarity[row], _ALIGNED)[:_ALIGNED]
        one = slice(row, row + 1)
        out[row, near] = aligned_distance(
            nodes.parts[one], nodes.parts[near], nodes.visibility[one], nodes.visibility[near]
        )
    out = np.where(np.isnan(out), out.T, out)
    unknown = np.isnan(out)
    if unknown.any():
        out[unknown] = 0.0 if unknown.all() else float(out[~unknown].mean())
    return np.asarray((out + out.T) / 2)


def _strangers(
    values: Array, centre: float, spread: float, prior_pairs: float
) -> tuple[float, float]:
    """Median and standard deviation of the strangers among `values`, shrunk to the prior.

    The spread comes from the lower half alone: it holds no pairs of one person.
    """
    if not len(values):
        return centre, spread
    middle = float(np.median(values))
    below = middle - np.quantile(values, 0.159)
    share = len(values) / (len(values) + prior_pairs)
    return (
        share * middle + (1 - share) * centre,
        max(share * float(below) + (1 - share) * spread, 1e-3),
    )


_CONTINUITY_GAP_S = 4.0
_CONTINUITY_BONUS = 4.0


def _continuity(tracklets: Sequence[Tracklet]) -> Array:
    """Log-odds bonus for a tracklet that starts where and when another one ended.

    exp(-gap) * exp(-(distance / allowed)^2) times 4, for gaps up to 4 s in one camera; the
    allowed distance is a body height and grows with the gap.
    """
    count = len(tracklets)
    bonus = np.zeros((count, count))
    cameras = np.array([t.camera for t in tracklets])
    starts = np.array([t.start_s for t in tracklets])
    ends = np.array([t.end_s for t in tracklets])
    first = np.array([t.boxes_xyxy[0] for t in tracklets], np.float64).reshape(-1, 4)
    last = np.array([t.boxes_xyxy[-1] for t in tracklets], np.float64).reshape(-1, 4)
    for i in range(count):
        gap = starts - ends[i]
        near = np.flatnonzero((cameras == cameras[i]) & (gap > -0.5) & (gap < _CONTINUITY_GAP_S))
        near = near[near != i]
        if not len(near):
            continue
        height = max(last[i, 3] - last[i, 1], 1.0)
        move = np.linalg.norm(_centres(first[near]) - _centres(last[i : i + 1]), axis=1)
        wait = np.maximum(gap[near], 0.0)
        allowed = height * (0.35 + 0.5 * wait)
        value = _CONTINUITY_BONUS * np.exp(-wait) * np.exp(-((move / allowed) ** 2))
        bonus[i, near] = np.maximum(bonus[i, near], value)
    return np.maximum(bonus, bonus.T)


def _centres(boxes: Array) -> Array:
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2], 1)


def transit_between(
    first: Tracklet, second: Tracklet, transits: Transits
) -> tuple[float, tuple[float, float]] | None:
    """Seconds from one camera to the other and the expected window; None if not neighbours."""
    if second.start_s < first.start_s:
        first, second = second, first
    window = transits.get((first.camera, second.camera))
    return None if window is None else (second.start_s - first.end_s, window)


def _transit(tracklets: Sequence[Tracklet], transits: Transits) -> Array:
    """Log-odds for neighbours: +1 inside the expected window, -3 where it is impossible.

    Only a person who left too recently is impossible: somebody may always have lingered.
    """
    cameras, numbers = np.unique([t.camera for t in tracklets], return_inverse=True)
    low, high = (_window_edges(cameras, transits, edge) for edge in (0, 1))
    starts = np.array([t.start_s for t in tracklets])
    ends = np.array([t.end_s for t in tracklets])
    later = starts[None] > starts[:, None]
    later |= np.triu(starts[None] == starts[:, None], 1).T  # as transit_between(i, j), j < i
    seconds = starts[None] - ends[:, None]
    shortest, longest = low[numbers][:, numbers], high[numbers][:, numbers]
    inside = (shortest <= seconds) & (seconds <= longest)
    value = np.where(inside, 1.0, np.where(seconds < shortest, -3.0, 0.0))
    out = np.where(later & ~np.isnan(shortest), value, 0.0)
    return np.asarray(out + out.T)


def _window_edges(cameras: NDArray[np.str_], transits: Transits, edge: int) -> Array:
    """(C, C) shortest (edge 0) or longest (1) seconds from row to column; NaN: no neighbours."""
    nothing = (np.nan, np.nan)
    rows = [[transits.get((str(a), str(b)), nothing)[edge] for b in cameras] for a in cameras]
    return np.array(rows, np.float64).reshape(len(cameras), len(cameras))
