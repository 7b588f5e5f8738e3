"""Scores of trackers on labelled sequences, and the tables that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.page import percent, table
from trackers.metrics import TrackingSequence, score_sequence
from trackers.motfile import MotRows

PAGE_TITLE = "# Trackers"
"""Of docs/TRACKERS.md."""
METRICS = ("HOTA", "IDF1", "AssA", "DetA")


@dataclass(frozen=True)
class Score:
    """One tracker on one sequence.

    Attributes:
        hota, idf1, ass_a, det_a: 0..1.
        idsw: identity switches.
        frames: of the sequence. seconds: of processor time inside the tracker.
    """

    hota: float
    idf1: float
    ass_a: float
    det_a: float
    idsw: int
    frames: int
    seconds: float

    @classmethod
    def of(cls, gt: MotRows, rows: MotRows, frames: int, seconds: float) -> Score:
        """Compare the boxes of a run with the labelled ones."""
        scores = score_sequence(TrackingSequence.from_rows(gt, rows))
        return cls(
            scores.hota.hota,
            scores.identity.idf1,
            scores.hota.ass_a,
            scores.hota.det_a,
            scores.clear.idsw,
            frames,
            seconds,
        )

    @property
    def hz(self) -> float:
        """Frames per second of processor time inside the tracker."""
        return self.frames / self.seconds if self.seconds else float("inf")

    @property
    def ratios(self) -> tuple[float, float, float, float]:
        """In the order of METRICS."""
        return self.hota, self.idf1, self.ass_a, self.det_a


@dataclass(frozen=True)
class Entry:
    """A tracker of a table.

    Attributes:
        name: for the table.
        scores: by sequence; empty if it did not run.
        failure: why it did not run, one line; empty if it did.
    """

    name: str
    scores: dict[str, Score]
    failure: str = ""

    @property
    def mean(self) -> Score:
        """The plain mean of the ratios over sequences; sums of switches, frames and seconds."""
        every = list(self.scores.values())
        hota, idf1, ass_a, det_a = np.mean([s.ratios for s in every], axis=0).tolist()
        return Score(
            hota,
            idf1,
            ass_a,
            det_a,
            idsw=sum(s.idsw for s in every),
            frames=sum(s.frames for s in every),
            seconds=sum(s.seconds for s in every),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found: dict[str, Any] = {"name": self.name}
        if self.failure:
            return found | {"failure": self.failure}
        sequences = {name: asdict(score) for name, score in self.scores.items()}
        return found | {"mean": asdict(self.mean), "sequences": sequences}


def score_table(entries: Sequence[Entry], sequence: str | None) -> str:
    """A Markdown table of one sequence, or of the mean over all (None); the best HOTA first.

    A tracker that did not run has a line that says so.
    """
    ran = [
        (e.name, e.mean if sequence is None else e.scores[sequence]) for e in entries if e.scores
    ]
    ran.sort(key=lambda named: -named[1].hota)
    lines = [
        (name, *(percent(ratio) for ratio in score.ratios), str(score.idsw), f"{score.hz:,.0f}")
        for name, score in ran
    ]
    lines += [(e.name, "**did not run**", "–", "–", "–", "–", "–") for e in entries if not e.scores]
    return table(("tracker", *(f">{name}" for name in METRICS), ">IDSW", ">Hz"), lines)


def failures(entries: Sequence[Entry]) -> str:
    """A list item per tracker that did not run, with the reason; empty if all ran."""
    return "\n".join(f"- **{e.name} did not run**: {e.failure}" for e in entries if e.failure)
