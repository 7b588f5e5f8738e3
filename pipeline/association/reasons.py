"""Turns groups into link records that say why: the evidence for, and the best alternative."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.association.evidence import Evidence, Transits, transit_between
from pipeline.association.nodes import Nodes
from storage.records import LinkRecord

_STANDS_ALONE = 0.25
"""Least weight of a single tracklet that becomes a person of its own; less abstains."""


def explain(
    nodes: Nodes,
    groups: NDArray[np.int64],
    names: Mapping[int, int | None],
    evidence: Evidence,
    forbidden: NDArray[np.bool_],
    transits: Transits,
    decisions: Iterable[tuple[str, str, str]] = (),
) -> list[LinkRecord]:
    """One record per tracklet: outcome, probability, best match, best rejected identity."""
    if not len(nodes):
        return []
    labels = np.unique(groups)
    member = groups[None] == labels[:, None]
    heavy = member * nodes.weights[None]
    own = np.searchsorted(labels, groups)
    sums = evidence.log_odds @ heavy.T
    diagonal = np.diagonal(evidence.log_odds) * nodes.weights
    rows = np.arange(len(nodes))
    sums[rows, own] -= diagonal
    totals = np.broadcast_to(heavy.sum(1), sums.shape).copy()
    totals[rows, own] -= nodes.weights
    mean = np.where(totals > 1e-9, sums / np.maximum(totals, 1e-9), -np.inf)
    blocked = (forbidden.astype(np.float64) @ member.T.astype(np.float64)) > 0
    here = {t.uuid for t in nodes.tracklets}
    together = [{a, b} for kind, a, b in decisions if kind == "must_link"]
    confirmed = {u for pair in together if pair <= here for u in pair}
    first_of: dict[int, int] = {}
    for row in sorted(range(len(nodes)), key=lambda r: nodes.tracklets[r].start_s):
        first_of.setdefault(int(groups[row]), row)
    records = []
    for row in range(len(nodes)):
        alternatives = np.where(blocked[row], -np.inf, mean[row])
        alternatives[own[row]] = -np.inf
        records.append(
            _record(row, own, labels, mean, alternatives, nodes, groups, names, evidence, transits)
            if nodes.tracklets[row].uuid not in confirmed
            else _confirmed(nodes.tracklets[row].uuid, int(groups[row]), names)
        )
    return [_opening(r, first_of, groups, k) for k, r in enumerate(records)]


def _identity(label: int, names: Mapping[int, int | None]) -> tuple[int | None, str | None]:
    kept = names[label]
    return (kept, None) if kept is not None else (None, f"group {label}")


def _confirmed(uuid: str, label: int, names: Mapping[int, int | None]) -> LinkRecord:
    identity, key = _identity(label, names)
    return LinkRecord(uuid, "confirmed", identity, key, probability=1.0)


def _record(
    row: int,
    own: NDArray[np.int64],
    labels: NDArray[np.int64],
    mean: NDArray[np.float64],
    alternatives: NDArray[np.float64],
    nodes: Nodes,
    groups: NDArray[np.int64],
    names: Mapping[int, int | None],
    evidence: Evidence,
    transits: Transits,
) -> LinkRecord:
    label = int(groups[row])
    identity, key = _identity(label, names)
    others = np.flatnonzero((groups == label) & (np.arange(len(groups)) != row))
    rejected = int(alternatives.argmax())
    has_rejected = bool(np.isfinite(alternatives[rejected]))
    rejected_id, rejected_key = (
        _identity(int(labels[rejected]), names) if has_rejected else (None, None)
    )
    alone = not len(others)
    abstains = alone and nodes.weights[row] < _STANDS_ALONE
    if abstains:
        identity = key = None
    details = {} if alone else _best_match(row, others, nodes, evidence, transits)
    return LinkRecord(
        tracklet_uuid=nodes.tracklets[row].uuid,
        outcome="abstained" if abstains else "new" if alone else "linked",
        identity_id=identity,
        identity_key=key,
        probability=None if alone else _probability(mean[row, own[row]]),
        rejected_identity_id=rejected_id,
        rejected_identity_key=rejected_key,
        rejected_probability=_probability(alternatives[rejected]) if has_rejected else None,
        **details,
    )


def _best_match(
    row: int, others: NDArray[np.int64], nodes: Nodes, evidence: Evidence, transits: Transits
) -> dict[str, Any]:
    """The evidence of the tracklet of the same group that speaks loudest."""
    best = int(others[evidence.log_odds[row, others].argmax()])
    details: dict[str, Any] = {
        "best_match_tracklet": nodes.tracklets[best].uuid,
        "global_similarity": float(evidence.similarity[row, best]),
        "part_distance": float(evidence.part_distance[row, best]),
    }
    found = transit_between(nodes.tracklets[row], nodes.tracklets[best], transits)
    if found is not None:
        seconds, (low, high) = found
        details |= {
            "transit_s": seconds,
            "transit_expected_min_s": low,
            "transit_expected_max_s": high,
        }
    return details


def _opening(
    record: LinkRecord, first_of: Mapping[int, int], groups: NDArray[np.int64], row: int
) -> LinkRecord:
    """The earliest tracklet of a group is the one that opened the identity."""
    if record.outcome == "linked" and first_of[int(groups[row])] == row:
        return LinkRecord(**{**vars(record), "outcome": "new"})
    return record


def _probability(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))))
