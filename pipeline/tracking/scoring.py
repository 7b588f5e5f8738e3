"""Figures of tracked sequences: each, combined, their mean, and all as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from pipeline.tracking.sequence_folder import SequenceFolder
from trackers.metrics import (
    MotLabels,
    SequenceScores,
    TrackingSequence,
    combine_scores,
    comparable_rows,
    score_sequence,
)
from trackers.metrics.labels import DISTRACTORS, MOT20_DISTRACTORS
from trackers.motfile import MotRows


@dataclass(frozen=True)
class Speed:
    """Time spent inside a tracker.

    Attributes:
        frames: number of frames. seconds: for all of them.
    """

    frames: int
    seconds: float

    @property
    def hz(self) -> float | None:
        """Frames per second; None if no time was measured."""
        return self.frames / self.seconds if self.seconds > 0 else None


@dataclass(frozen=True)
class Figures:
    """One row of a table of results; ratios are in 0..1 (MOTA may be negative).

    Attributes:
        hota, det_a, ass_a: means over the 19 thresholds of HOTA. idf1: identity F1.
        mota: 1 - (misses + false positives + switches) / labelled boxes.
        idsw: identity switches. fragments: how often a person was found again.
        hz: frames per second of the tracker alone; None where none was run.
    """

    hota: float
    det_a: float
    ass_a: float
    idf1: float
    mota: float
    idsw: float
    fragments: float
    hz: float | None

    @classmethod
    def of(cls, scores: SequenceScores, speed: Speed | None) -> Figures:
        """The figures of some scores."""
        return cls(
            scores.hota.hota,
            scores.hota.det_a,
            scores.hota.ass_a,
            scores.identity.idf1,
            scores.clear.mota,
            scores.clear.idsw,
            scores.clear.fragments,
            speed.hz if speed else None,
        )

    @classmethod
    def mean(cls, rows: list[Figures]) -> Figures:
        """The plain mean of each figure over at least one row."""
        hz = [row.hz for row in rows if row.hz is not None]
        return cls(
            fmean(row.hota for row in rows),
            fmean(row.det_a for row in rows),
            fmean(row.ass_a for row in rows),
            fmean(row.idf1 for row in rows),
            fmean(row.mota for row in rows),
            fmean(row.idsw for row in rows),
            fmean(row.fragments for row in rows),
            fmean(hz) if len(hz) == len(rows) else None,
        )


@dataclass(frozen=True)
class Tracked:
    """The tracks of some sequences, from a tracker or from files.

    Attributes:
        name: of the preset, or of the folder of results.
        tracks: by sequence.
        speeds: by sequence; empty where no tracker was run.
        shared_ids: an id means the same person in all sequences.
    """

    name: str
    tracks: Mapping[str, MotRows]
    speeds: Mapping[str, Speed]
    shared_ids: bool


@dataclass(frozen=True)
class Scoreboard:
    """The figures of one `Tracked`.

    Attributes:
        name: of it.
        sequences: by name.
        combined: as TrackEval combines sequences: counts add up, association is weighted.
        mean: plain mean over the sequences.
        as_one: all sequences as one with shared identities, if that was asked for.
    """

    name: str
    sequences: Mapping[str, Figures]
    combined: Figures
    mean: Figures
    as_one: Figures | None


def comparable(
    sequence: SequenceFolder, labels: MotLabels, rows: MotRows
) -> tuple[MotRows, MotRows]:
    """The people to be found and the tracks that count; see `comparable_rows`."""
    mot20 = sequence.name.upper().startswith("MOT20")
    return comparable_rows(labels, rows, MOT20_DISTRACTORS if mot20 else DISTRACTORS)


def score(
    tracked: Tracked,
    sequences: list[SequenceFolder],
    labels: Mapping[str, MotLabels],
    *,
    one_id_space: bool = False,
) -> Scoreboard:
    """Score tracks against the labels of at least one sequence.

    Args:
        tracked: what is scored. sequences: all of them, in the order of the table.
        labels: by sequence.
        one_id_space: also score all sequences as one.
    """
    pairs = [comparable(s, labels[s.name], tracked.tracks[s.name]) for s in sequences]
    scores = [score_sequence(TrackingSequence.from_rows(gt, hyp)) for gt, hyp in pairs]
    figures = {
        s.name: Figures.of(result, tracked.speeds.get(s.name))
        for s, result in zip(sequences, scores, strict=True)
    }
    speeds = list(tracked.speeds.values())
    total = Speed(sum(s.frames for s in speeds), sum(s.seconds for s in speeds))
    as_one = None
    if one_id_space:
        joined = joined_rows(pairs, [len(s) for s in sequences], shared_ids=tracked.shared_ids)
        as_one = Figures.of(score_sequence(TrackingSequence.from_rows(*joined)), total)
    return Scoreboard(
        tracked.name,
        figures,
        Figures.of(combine_scores(scores), total),
        Figures.mean(list(figures.values())),
        as_one,
    )


def joined_rows(
    pairs: list[tuple[MotRows, MotRows]], lengths: list[int], *, shared_ids: bool
) -> tuple[MotRows, MotRows]:
    """Ground truth and tracks of several sequences, one after the other.

    Args:
        pairs: ground truth and tracks of each sequence. lengths: their numbers of frames.
        shared_ids: keep the tracks' ids; otherwise those of each sequence are made different.
            The ground truth's always mean the same person.
    """
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    next_id, gt_parts, hyp_parts = 0, [], []
    for (gt, hyp), start in zip(pairs, starts, strict=True):
        gt_parts.append(gt.shifted(start))
        if not shared_ids:
            known, ids = np.unique(hyp.ids, return_inverse=True)
            hyp = MotRows(hyp.frames, ids + next_id, hyp.boxes_xyxy, hyp.scores)
            next_id += len(known)
        hyp_parts.append(hyp.shifted(start))
    return MotRows.concatenate(gt_parts), MotRows.concatenate(hyp_parts)
