"""Why a tracker matched what it matched: one JSON line for every stage of every frame.

A line holds the matches of a stage, each beside its runner-up, and the detections that the stage
left free, each with the reason why its best track did not get it:

    {"frame": 40, "time_s": 1.6, "stage": "confident", "limit": 2.0,
     "matches": [{"track": 3, "detection": 0, "score": 0.91, "cost": 0.18, "terms": {...},
                  "runner_up": {"track": 4, "cost": 0.41, "terms": {...},
                                "why": "cost 0.41 > 0.18"}}],
     "free": [{"detection": 2, "score": 0.6,
               "best": {"track": 7, "cost": null, "terms": {...}, "why": "veto max_speed"}}]}

A cost is null where a veto forbade the pair, a term where nothing is known. Tracks have the ids
of that moment: one that is cut afterwards (`trackers.purity`) is split into further ids.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from trackers.frame_view import FrameView
from trackers.stages import StageOutcome
from trackers.track_table import TrackTable

_DECIMALS = 6


class ExplainError(ValueError):
    """The file of explanations cannot be written; one line that names it."""


class Explainer:
    """A listener for `trackers.staged.StagedTracker` that writes JSON lines; see `explain_to`."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self._path, self._stream = path, stream

    def __call__(
        self, frame: FrameView, stage: str, outcome: StageOutcome, table: TrackTable
    ) -> None:
        line = json.dumps(explain(frame, stage, outcome, table), allow_nan=False)
        try:
            self._stream.write(line + "\n")
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def close(self) -> None:
        """Write what is left and close the file.

        Raises:
            ExplainError: the file cannot be written any more.
        """
        try:
            self._stream.close()
        except OSError as error:
            raise _unwritable(self._path, error) from error


@contextmanager
def explain_to(path: Path, *, overwrite: bool = False) -> Iterator[Explainer]:
    """A listener that writes to a new file; one tracker, one file.

        with explain_to(Path("lobby.jsonl")) as listener:
            tracker = build_tracker("crosswalk", on_stage=listener)

    Args:
        path: of the file; its folder must exist. overwrite: replace a file that is there.

    Raises:
        ExplainError: the file is there already, or cannot be written.
    """
    try:
        stream = path.open("w" if overwrite else "x", encoding="utf-8")
    except FileExistsError as error:
        raise ExplainError(f"{path} is already there and is not overwritten unasked") from error
    except OSError as error:
        raise _unwritable(path, error) from error
    listener = Explainer(path, stream)
    try:
        yield listener
    finally:
        listener.close()


def explain(
    frame: FrameView, stage: str, outcome: StageOutcome, table: TrackTable
) -> dict[str, Any]:
    """What one stage decided, as in the module's example; numbers are plain Python's.

    Args:
        frame, outcome, table: as a listener gets them. stage: its name.
    """
    pairs = _Pairs(frame, outcome, table)
    return {
        "frame": frame.index,
        "time_s": float(frame.time_s),
        "stage": stage,
        "limit": _number(outcome.limit),
        "matches": [pairs.match(i, j) for i, j in outcome.pairs.tolist()],
        "free": [pairs.left(j) for j in range(len(outcome.columns)) if j not in pairs.track_of],
    }


class _Pairs:
    """Pairs (i, j) of positions in the tracks and columns of an outcome, in words."""

    def __init__(self, frame: FrameView, outcome: StageOutcome, table: TrackTable) -> None:
        self.frame, self.outcome, self.table = frame, outcome, table
        self.track_of: dict[int, int] = {j: i for i, j in outcome.pairs.tolist()}
        self._detection_of = {i: j for j, i in self.track_of.items()}

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
                return f"cost {cost:.4g} {sign} {taken:.4g}"
        other = self._detection_of[i]
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
        row = int(self.outcome.columns[j])
        return {"detection": row, "score": _number(self.frame.detections.scores[row])}

    def _id(self, i: int) -> int:
        return int(self.table.ids[self.outcome.tracks[i]])


def _number(value: Any) -> float | None:
    """JSON knows neither infinity nor NaN."""
    return round(float(value), _DECIMALS) if math.isfinite(value) else None


def _unwritable(path: Path, error: OSError) -> ExplainError:
    return ExplainError(f"{path}: cannot be written: {error.strerror or error}")
