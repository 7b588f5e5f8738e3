"""Why a tracker matched what it matched: JSON lines, some for every frame.

A line per stage holds its matches, each beside its runner-up (the next best track of that
detection); the detections that the stage left free and the tracks that it left waiting, each with
its best partner and the reason why the two did not meet:

    {"frame": 40, "time_s": 1.6, "stage": "confident", "limit": 2.0,
     "matches": [{"track": 3, "detection": 0, "score": 0.91, "box_ltwh": [80, 150, 40, 100],
                  "cost": 0.18, "terms": {...},
                  "runner_up": {"track": 4, "cost": 0.41, "terms": {...},
                                "why": "cost 0.41 > 0.18 of track 3"}}],
     "free": [{"detection": 2, "score": 0.6, "box_ltwh": [...],
               "best": {"track": 7, "cost": null, "terms": {...}, "why": "veto max_speed"}}],
     "waiting": [{"track": 7, "best": {"detection": 2, ..., "why": "veto max_speed"}}]}

What no stage explains is born or not, tracks end, and closed tracks are cut where they ran from one
person onto another (`trackers.purity`), from that frame on under a new id:

    {"frame": 40, "time_s": 1.6, "stage": "births",
     "born": [{"track": 9, "detection": 2, ...}],
     "not_born": [{"detection": 5, ..., "why": "score 0.31 < 0.5"}]}
    {"frame": 90, "time_s": 3.6, "stage": "ends",
     "ended": [{"track": 7, "hits": 12, "why": "unseen for 2.04 s"}]}
    {"frame": 55, "time_s": 2.2, "stage": "cut", "track": 3, "becomes": 12}

Frames count from 0. A cost is null where a veto forbade the pair, a term where nothing is known.
Tracks have the ids of that moment. A cut is known, and written, only when the track is closed: the
lines before it still say 3 where files of tracks say 12.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from trackers.frame_view import FrameView
from trackers.history import Observation
from trackers.reasons import explain, explain_births, explain_ends
from trackers.staged_config import BirthConfig
from trackers.stages import StageOutcome
from trackers.track_table import TrackTable


class ExplainError(ValueError):
    """The file of explanations cannot be written; one line that names it."""


class Explainer:
    """A listener for `trackers.staged.StagedTracker` that writes JSON lines; see `explain_to`."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self._path, self._stream = path, stream

    def matched(
        self, frame: FrameView, stage: str, outcome: StageOutcome, table: TrackTable
    ) -> None:
        """Write what a stage decided."""
        self._write(explain(frame, stage, outcome, table))

    def began(
        self, frame: FrameView, table: TrackTable, columns: NDArray[np.int64], config: BirthConfig
    ) -> None:
        """Write who began, if anybody could have."""
        if frame.free.any():
            self._write(explain_births(frame, table, columns, config))

    def ended(
        self,
        frame: FrameView,
        table: TrackTable,
        rows: NDArray[np.int64],
        doubled: NDArray[np.bool_],
    ) -> None:
        """Write who ended."""
        if len(rows):
            self._write(explain_ends(frame, table, rows, doubled))

    def cut(self, track: int, becomes: int, first: Observation) -> None:
        """Write from where on a track is another person."""
        self._write(
            {
                "frame": first.frame_index,
                "time_s": float(first.time_s),
                "stage": "cut",
                "track": track,
                "becomes": becomes,
            }
        )

    def _write(self, content: dict[str, Any]) -> None:
        line = json.dumps(content, allow_nan=False)
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


def _unwritable(path: Path, error: OSError) -> ExplainError:
    return ExplainError(f"{path}: cannot be written: {error.strerror or error}")
