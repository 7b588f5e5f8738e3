"""Which labelled crops are searched for, and whether the right person comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation import LabelledCamera
from trackers.metrics.boxes import coverage_matrix, iou_matrix
from trackers.metrics.sequence import rows_by_frame
from trackers.motfile import MotRows

EDGE_PX = 2.0
"""A box nearer to the picture's edge than this may be cut off."""
MOST_COVERED = 0.05
"""Largest share of a fully visible box that lies in another box."""
MIN_IOU = 0.5


@dataclass(frozen=True)
class CropQuery:
    """One labelled person in one camera.

    Attributes:
        person: labelled id.
        camera: where the crop is cut.
        frame: 1-based frame of the recording.
        box_xyxy: pixels.
        others: all other cameras; the person is labelled in at least one of them.
    """

    person: int
    camera: str
    frame: int
    box_xyxy: tuple[float, float, float, float]
    others: tuple[str, ...]


def choose_queries(
    labelled: Sequence[LabelledCamera], sizes_wh: Mapping[str, tuple[int, int]], last_frame: int
) -> tuple[list[CropQuery], list[tuple[int, str]]]:
    """The largest fully visible box of each person and camera, of those seen in two or more.

    Args:
        labelled: ground truth of all cameras.
        sizes_wh: width and height of each camera's picture in pixels.
        last_frame: labels after it do not count.

    Returns:
        The queries, and the (person, camera) pairs without a fully visible box.
    """
    cut = [
        LabelledCamera(
            one.camera,
            one.gt.select(one.gt.frames <= last_frame),
            one.ignore.select(one.ignore.frames <= last_frame),
        )
        for one in labelled
    ]
    seen_in = {one.camera: set(one.gt.ids.tolist()) for one in cut}
    queries: list[CropQuery] = []
    without: list[tuple[int, str]] = []
    for one in cut:
        visible = one.gt.select(fully_visible(one.gt, one.ignore, sizes_wh[one.camera]))
        for person in sorted(seen_in[one.camera]):
            others = tuple(camera for camera in seen_in if camera != one.camera)
            if not any(person in seen_in[camera] for camera in others):
                continue
            own = visible.select(visible.ids == person)
            if not len(own):
                without.append((person, one.camera))
                continue
            best = int(np.argmax(_areas(own.boxes_xyxy)))
            left, top, right, bottom = own.boxes_xyxy[best].tolist()
            box = (left, top, right, bottom)
            queries.append(CropQuery(person, one.camera, int(own.frames[best]), box, others))
    return queries, without


def fully_visible(gt: MotRows, ignore: MotRows, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Which labelled boxes touch no edge and lie in no other labelled and no ignore box."""
    boxes = gt.boxes_xyxy
    far = np.array([*size_wh], np.float32) - EDGE_PX
    inside = np.hstack([boxes[:, :2] >= EDGE_PX, boxes[:, 2:] <= far])
    visible = np.asarray(np.all(inside, axis=1), np.bool_).reshape(-1)
    frames = np.unique(gt.frames)
    for rows, hidden_rows in zip(
        rows_by_frame(gt.frames, frames), rows_by_frame(ignore.frames, frames), strict=True
    ):
        among = coverage_matrix(boxes[rows], boxes[rows])
        np.fill_diagonal(among, 0.0)
        others = np.hstack([among, coverage_matrix(boxes[rows], ignore.boxes_xyxy[hidden_rows])])
        visible[rows] &= others.max(axis=1) <= MOST_COVERED
    return visible


def person_votes(rows: MotRows, gt: MotRows) -> Counter[int]:
    """How many boxes lie best on each labelled person, with an IoU of 0.5 or more."""
    votes: Counter[int] = Counter()
    frames = np.intersect1d(rows.frames, gt.frames)
    for own, labelled in zip(
        rows_by_frame(rows.frames, frames), rows_by_frame(gt.frames, frames), strict=True
    ):
        overlap = iou_matrix(rows.boxes_xyxy[own], gt.boxes_xyxy[labelled])
        best = overlap.argmax(axis=1)
        good = overlap.max(axis=1) >= MIN_IOU
        votes.update(gt.ids[labelled][best[good]].tolist())
    return votes


def majority(votes: Iterable[Counter[int]]) -> int | None:
    """The person with most votes, the smaller id of equals; None without any vote."""
    total: Counter[int] = sum(votes, Counter())
    return min(total, key=lambda person: (-total[person], person), default=None)


def rank_of(person: int, groups: Sequence[int | None]) -> int | None:
    """Place of the first group that shows the person, from 1; None if there is none."""
    return groups.index(person) + 1 if person in groups else None


def share_within(ranks: Sequence[int | None], first: int) -> float | None:
    """Share of the queries whose rank is among the first so many; None without queries."""
    if not ranks:
        return None
    return sum(rank is not None and rank <= first for rank in ranks) / len(ranks)


def _areas(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    sizes_wh = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    return np.asarray(sizes_wh[:, 0] * sizes_wh[:, 1], np.float32)
