"""What every metric reads: who is in each frame, who was reported, and how well they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trackers.metrics.boxes import iou_matrix
from trackers.motfile import MotRows

Ids = tuple[NDArray[np.int64], ...]


@dataclass(frozen=True)
class TrackingSequence:
    """Ground truth and hypotheses of one sequence, frame by frame.

    Ids may be any integers; they are renumbered 0, 1, 2 ... in ascending order. Frames without
    any box may be left out: no metric of this package depends on them.

    Attributes:
        gt_ids: for each of the T frames (g_t,) int64, the people who are there.
        hyp_ids: for each of the T frames (h_t,) int64, the people who were reported.
        similarities: for each of the T frames (g_t, h_t) float64 in 0..1, usually the IoU.
        n_gt_ids: number of different people in the ground truth.
        n_hyp_ids: number of different people in the hypotheses.

    Raises:
        ValueError: lengths or shapes do not fit, or an id is twice in one frame.
    """

    gt_ids: Ids
    hyp_ids: Ids
    similarities: tuple[NDArray[np.float64], ...]
    n_gt_ids: int = field(init=False)
    n_hyp_ids: int = field(init=False)

    def __post_init__(self) -> None:
        if not len(self.gt_ids) == len(self.hyp_ids) == len(self.similarities):
            raise ValueError(
                f"{len(self.gt_ids)} frames of ground truth, {len(self.hyp_ids)} of hypotheses, "
                f"{len(self.similarities)} of similarities"
            )
        gt_ids, n_gt_ids = _renumber(self.gt_ids, "ground truth")
        hyp_ids, n_hyp_ids = _renumber(self.hyp_ids, "hypotheses")
        similarities = tuple(np.asarray(s, np.float64) for s in self.similarities)
        for frame, similarity in enumerate(similarities):
            expected = (len(gt_ids[frame]), len(hyp_ids[frame]))
            if similarity.shape != expected:
                raise ValueError(
                    f"frame {frame}: similarities are {similarity.shape}, not {expected}"
                )
        object.__setattr__(self, "gt_ids", gt_ids)
        object.__setattr__(self, "hyp_ids", hyp_ids)
        object.__setattr__(self, "similarities", similarities)
        object.__setattr__(self, "n_gt_ids", n_gt_ids)
        object.__setattr__(self, "n_hyp_ids", n_hyp_ids)

    @property
    def n_gt_boxes(self) -> int:
        """Number of boxes in the ground truth."""
        return sum(len(ids) for ids in self.gt_ids)

    @property
    def n_hyp_boxes(self) -> int:
        """Number of boxes in the hypotheses."""
        return sum(len(ids) for ids in self.hyp_ids)

    def gt_id_counts(self) -> NDArray[np.int64]:
        """(n_gt_ids,) number of boxes of each person of the ground truth."""
        return np.bincount(_flat(self.gt_ids), minlength=self.n_gt_ids)

    def hyp_id_counts(self) -> NDArray[np.int64]:
        """(n_hyp_ids,) number of boxes of each person of the hypotheses."""
        return np.bincount(_flat(self.hyp_ids), minlength=self.n_hyp_ids)

    @classmethod
    def from_rows(cls, gt: MotRows, hyp: MotRows) -> TrackingSequence:
        """Compare two sets of boxes by IoU, over the frames that either of them has."""
        frames = np.union1d(gt.frames, hyp.frames)
        gt_rows, hyp_rows = rows_by_frame(gt.frames, frames), rows_by_frame(hyp.frames, frames)
        return cls(
            tuple(gt.ids[rows] for rows in gt_rows),
            tuple(hyp.ids[rows] for rows in hyp_rows),
            tuple(
                iou_matrix(gt.boxes_xyxy[g], hyp.boxes_xyxy[h])
                for g, h in zip(gt_rows, hyp_rows, strict=True)
            ),
        )


def rows_by_frame(
    row_frames: NDArray[np.int64], frames: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """For each of the ascending `frames` (F,) the numbers of the rows that lie in it, ascending.

    `row_frames` is (N,), the frame of each row.
    """
    order = np.argsort(row_frames, kind="stable")
    ordered = row_frames[order]
    starts = np.searchsorted(ordered, frames, side="left")
    stops = np.searchsorted(ordered, frames, side="right")
    return [order[start:stop] for start, stop in zip(starts, stops, strict=True)]


def _flat(ids: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *ids])


def _renumber(ids: Sequence[NDArray[np.int64]], name: str) -> tuple[Ids, int]:
    """Ids as 0, 1, 2 ... and how many there are."""
    lengths = [len(frame_ids) for frame_ids in ids]
    frames = np.repeat(np.arange(len(ids)), lengths)
    known, numbers = np.unique(_flat(ids), return_inverse=True)
    keys, counts = np.unique(frames * max(1, len(known)) + numbers, return_counts=True)
    if (counts > 1).any():
        frame, number = divmod(int(keys[np.argmax(counts > 1)]), len(known))
        raise ValueError(f"id {known[number]} is twice in frame {frame} of the {name}")
    numbers = numbers.astype(np.int64)
    stops = np.cumsum(lengths, dtype=np.int64)
    by_frame = tuple(
        numbers[stop - length : stop] for stop, length in zip(stops, lengths, strict=True)
    )
    return by_frame, len(known)
