"""In words and plain numbers: what a stage decided and why, who began, who ended, who was cut.

What the parts mean is shown by example in `trackers.explain`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackers.frame_view import FrameView
from trackers.staged_config import BirthConfig
from trackers.stages import StageOutcome
from trackers.track_table import TrackTable

_DECIMALS = 6


def explain(
    frame: FrameView, stage: str, outcome: StageOutcome, table: TrackTable
) -> dict[str, Any]:
    """What one stage decided, as in the module's example; numbers are plain Python's.

    Args:
        frame, outcome, table: as a listener gets them. stage: its name.
    """
    pairs = _Pairs(frame, outcome, table)
    return _head(frame, stage) | {
        "limit": _number(outcome.limit),
        "matches": [pairs.match(i, j) for i, j in outcome.pairs.tolist()],
        "free": [pairs.left(j) for j in range(len(outcome.columns)) if j not in pairs.track_of],
        "waiting": [
            pairs.waiting(i) for i in range(len(outcome.tracks)) if i not in pairs.detection_of
        ],
    }


def explain_births(
    frame: FrameView, table: TrackTable, columns: NDArray[np.int64], config: BirthConfig
) -> dict[str, Any]:
    """Which detections that no stage explained began a track, and why the others did not.

    Args:
        frame: after all stages. table: its last rows are the new tracks.
        columns: (K,) their detections. config: what a birth needs.
    """
    ids = table.ids[len(table) - len(columns) :].tolist()
    born = [
        {"track": track, **_detection(frame, column)}
        for track, column in zip(ids, columns.tolist(), strict=True)
    ]
    left = np.setdiff1d(np.flatnonzero(frame.free), columns).tolist()
    others = [
        {**_detection(frame, column), "why": _unborn(frame, column, config)} for column in left
    ]
    return _head(frame, "births") | {"born": born, "not_born": others}


def explain_ends(
    frame: FrameView, table: TrackTable, rows: NDArray[np.int64], doubled: NDArray[np.bool_]
) -> dict[str, Any]:
    """Which tracks were closed for good.

    Args:
        rows: (K,) of the table, which still has them. doubled: (M,) tracks that duplicate others.
    """
    ends = []
    for row in rows.tolist():
        unseen = _number(frame.time_s - table.seen_s[row])
        why = "duplicate of another track" if doubled[row] else f"unseen for {unseen} s"
        ends.append({"track": int(table.ids[row]), "hits": int(table.hits[row]), "why": why})
    return _head(frame, "ends") | {"ended": ends}


def _head(frame: FrameView, stage: str) -> dict[str, Any]:
    return {"frame": frame.index, "time_s": float(frame.time_s), "stage": stage}


def _unborn(frame: FrameView, column: int, config: BirthConfig) -> str:
    score = float(frame.detections.scores[column])
    if score < config.min_score:
        return f"score {score:.4g} < {config.min_score:.4g}"
    return f"a tracked box covers more than {config.max_cover:.4g} of it"


def _detection(frame: FrameView, column: int) -> dict[str, Any]:
    """Its row in the frame's detections, its confidence, and its box as in MOTChallenge files."""
    left, top, right, bottom = frame.detections.boxes_xyxy[column].tolist()
    return {
        "detection": column,
        "score": _number(frame.detections.scores[column]),
        "box_ltwh": [round(value, 1) for value in (left, top, right - left, bottom - top)],
    }


class _Pairs:
    """Pairs (i, j) of positions in the tracks and columns of an outcome, in words."""

    def __init__(self, frame: FrameView, outcome: StageOutcome, table: TrackTable) -> None:
        self.frame, self.outcome, self.table = frame, outcome, table
        self.track_of: dict[int, int] = {j: i for i, j in outcome.pairs.tolist()}
        self.detection_of = {i: j for j, i in self.track_of.items()}

    def match(self, i: int, j: int) -> dict[str, Any]:
        """A pair that was matched, and the next best track of its detection."""
        others = [k for k in range(len(self.outcome.tracks)) if k != i]
        best = min(others, key=lambda k: self._rank(k, j), default=None)
        return {
            "track": self._id(i),
            **self._detection(j),
            "cost": _number(self.outcome.cost[i, j]),
            "terms": self._terms(i, j),
            "runner_up": None if best is None else self._candidate(best, j),
        }

    def left(self, j: int) -> dict[str, Any]:
        """A detection that stays free, and the track that came nearest to it."""
        best = min(range(len(self.outcome.tracks)), key=lambda k: self._rank(k, j))
        return {**self._detection(j), "best": self._candidate(best, j)}

    def waiting(self, i: int) -> dict[str, Any]:
        """A track that stays without a detection, and the detection that came nearest to it."""
        j = min(range(len(self.outcome.columns)), key=lambda k: self._rank(i, k))
        return {
            "track": self._id(i),
            "best": {
                **self._detection(j),
                "cost": _number(self.outcome.cost[i, j]),
                "terms": self._terms(i, j),
                "why": self._why_not(i, j),
            },
        }

    def _candidate(self, i: int, j: int) -> dict[str, Any]:
        return {
            "track": self._id(i),
            "cost": _number(self.outcome.cost[i, j]),
            "terms": self._terms(i, j),
            "why": self._why_not(i, j),
        }

    def _why_not(self, i: int, j: int) -> str:
        """Why pair (i, j) was not matched."""
        outcome = self.outcome
        vetoes = [name for name, forbidden in outcome.vetoes.items() if forbidden[i, j]]
        if vetoes:
            return f"veto {', '.join(vetoes)}"
        cost = float(outcome.cost[i, j])
        if cost >= outcome.limit:
            return f"over the limit: {cost:.4g} >= {outcome.limit:.4g}"
        if j in self.track_of:
            taken = float(outcome.cost[self.track_of[j], j])
            if cost >= taken:
                sign = ">" if f"{cost:.4g}" != f"{taken:.4g}" else ">="
                return f"cost {cost:.4g} {sign} {taken:.4g} of track {self._id(self.track_of[j])}"
        if i not in self.detection_of:
            return "left for the least total cost"
        other = self.detection_of[i]
        at = float(outcome.cost[i, other])
        return f"its track was taken by detection {int(outcome.columns[other])} at {at:.4g}"

    def _rank(self, i: int, j: int) -> tuple[float, float, float]:
        """Least for the best track: by cost; forbidden ones by overlap, then by appearance."""
        look = self.outcome.terms.get("appearance")
        apart = math.nan if look is None else float(look[i, j])
        overlap = float(self.outcome.terms["overlap"][i, j])
        return float(self.outcome.cost[i, j]), -overlap, math.inf if math.isnan(apart) else apart

    def _terms(self, i: int, j: int) -> dict[str, float | None]:
        terms = {name: _number(values[i, j]) for name, values in self.outcome.terms.items()}
        unseen = self.frame.time_s - self.table.seen_s[self.outcome.tracks[i]]
        return terms | {"unseen_s": _number(unseen)}

    def _detection(self, j: int) -> dict[str, Any]:
        return _detection(self.frame, int(self.outcome.columns[j]))

    def _id(self, i: int) -> int:
        return int(self.table.ids[self.outcome.tracks[i]])


def _number(value: Any) -> float | None:
    """JSON knows neither infinity nor NaN."""
    return round(float(value), _DECIMALS) if math.isfinite(value) else None
