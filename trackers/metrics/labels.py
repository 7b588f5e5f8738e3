"""Ground truth of MOTChallenge with classes: whom to score, and which results to leave out.

MOT16, MOT17 and MOT20 label, beside people, what a detector may rightly report although nobody is
to be tracked there (Milan et al.: "MOT16: A Benchmark for Multi-Object Tracking", 2016, section
3.2). What is done with it equals TrackEval's MotChallenge2DBox.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackers.metrics.boxes import iou_matrix
from trackers.metrics.matching import best_pairs
from trackers.metrics.sequence import rows_by_frame
from trackers.motfile import MotFileError, MotRows, numbered_fields, read_mot

PERSON = 1
DISTRACTORS = frozenset({2, 7, 8, 12})
"""Person on a vehicle, static person, distractor, reflection."""
MOT20_DISTRACTORS = DISTRACTORS | {6}
"""MOT20 counts vehicles without a motor in."""
_CLASSES = range(1, 14)
_CLASS_FIELD = 7
_MOT15_FIELDS = 10
_NO_CLASS = "-1"


@dataclass(frozen=True)
class MotLabels:
    """A ground-truth file.

    Attributes:
        rows: all labelled boxes, in file order.
        classes: (N,) int64 in 1..13, 1 is a person; None where the file has no classes.
    """

    rows: MotRows
    classes: NDArray[np.int64] | None

    def scored(self) -> MotRows:
        """The people to be found: class 1, if there are classes, and a score other than 0."""
        people = self.rows.scores != 0
        if self.classes is not None:
            people &= self.classes == PERSON
        return self.rows.select(people)


def read_labels(path: Path) -> MotLabels:
    """Read a ground-truth file: with classes if it has eight or nine fields and the 8th is not -1.

    Ten fields are MOT15's, whose last three are a place in the world.

    Raises:
        MotFileError: see `read_mot`; or a class is none of MOTChallenge's, or only some lines
            have one. The message says `file:line`.
    """
    rows = read_mot(path, unique_ids=True)
    lines = numbered_fields(path)
    texts = [_class_text(fields) for _, fields in lines]
    if not any(texts):
        return MotLabels(rows, None)
    classes = []
    for (number, _), text in zip(lines, texts, strict=True):
        if not text:
            raise MotFileError(f"{path}:{number}: no class in the 8th field, but other lines have")
        classes.append(_class_number(text, f"{path}:{number}"))
    return MotLabels(rows, np.array(classes, np.int64))


def comparable_rows(
    labels: MotLabels, hyp: MotRows, distractors: Collection[int] = DISTRACTORS
) -> tuple[MotRows, MotRows]:
    """What the metrics compare: the people to be found, and the reported boxes that count.

    In each frame, reported boxes are matched with all labelled ones, of whatever class and score,
    so that the summed IoU of pairs from 0.5 on is largest; those on a distractor are left out.
    """
    if labels.classes is None:
        return labels.scored(), hyp
    keep = np.ones(len(hyp), np.bool_)
    distracts = np.isin(labels.classes, list(distractors))
    frames = np.intersect1d(hyp.frames, labels.rows.frames)
    for label_rows, hyp_rows in zip(
        rows_by_frame(labels.rows.frames, frames), rows_by_frame(hyp.frames, frames), strict=True
    ):
        iou = iou_matrix(labels.rows.boxes_xyxy[label_rows], hyp.boxes_xyxy[hyp_rows])
        matched, columns = best_pairs(iou, 0.5)
        keep[hyp_rows[columns]] = ~distracts[label_rows[matched]]
    return labels.scored(), hyp.select(keep)


def _class_text(fields: list[str]) -> str:
    """The 8th field of a line; empty if it has none or it is no class."""
    if not _CLASS_FIELD < len(fields) < _MOT15_FIELDS or fields[_CLASS_FIELD] == _NO_CLASS:
        return ""
    return fields[_CLASS_FIELD]


def _class_number(text: str, place: str) -> int:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if number not in _CLASSES:
        raise MotFileError(f"{place}: class {text!r} is none of MOTChallenge's 1 to 13")
    return int(number)
