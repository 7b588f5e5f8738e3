"""What cannot be: one person twice in one camera at one time; what an operator decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from storage.tracklets import Tracklet
from trackers.boxes import areas, intersections

_MIN_OVERLAP_S = 0.2
_SAME_BODY = 0.7


def cannot_link(tracklets: Sequence[Tracklet]) -> NDArray[np.bool_]:
    """(N, N): pairs that are in one camera at one time, in different places.

    Two boxes of which one lies mostly inside the other may be two detections of one body;
    such a pair is not forbidden. Touching by less than 0.2 s is not forbidden either.
    """
    count = len(tracklets)
    forbidden = np.zeros((count, count), np.bool_)
    starts = np.array([t.start_s for t in tracklets])
    ends = np.array([t.end_s for t in tracklets])
    cameras = np.array([t.camera for t in tracklets])
    for i in range(count):
        together = np.minimum(ends[i], ends[:i]) - np.maximum(starts[i], starts[:i])
        near = (together > _MIN_OVERLAP_S) & (cameras[:i] == cameras[i])
        for j in np.flatnonzero(near).tolist():
            if not _one_body(tracklets[i], tracklets[j]):
                forbidden[i, j] = forbidden[j, i] = True
    return forbidden


def _one_body(a: Tracklet, b: Tracklet) -> bool:
    """Whether the smaller box lies mostly in the larger one while both are there."""
    _, rows_a, rows_b = np.intersect1d(a.frame_indices, b.frame_indices, return_indices=True)
    if not len(rows_a):
        return False
    rows_a, rows_b = rows_a[:: max(1, len(rows_a) // 16)], rows_b[:: max(1, len(rows_b) // 16)]
    boxes_a, boxes_b = a.boxes_xyxy[rows_a], b.boxes_xyxy[rows_b]
    common = np.diagonal(intersections(boxes_a, boxes_b))
    smaller = np.maximum(np.minimum(areas(boxes_a), areas(boxes_b)), 1e-9)
    return bool(np.median(common / smaller) > _SAME_BODY)


def apply_decisions(
    tracklets: Sequence[Tracklet],
    decisions: Iterable[tuple[str, str, str]],
    forbidden: NDArray[np.bool_],
    required: NDArray[np.bool_],
) -> None:
    """Write operator decisions (kind, uuid, uuid) into the two (N, N) matrices; they win.

    Links in `required` are taken back where they would lead, over other tracklets, from one to
    another that the operator has told apart, or that was elsewhere at the same time.
    """
    row = {t.uuid: k for k, t in enumerate(tracklets)}
    must, apart = np.zeros_like(required), np.zeros_like(required)
    for kind, first, second in decisions:
        i, j = row.get(first), row.get(second)
        if i is None or j is None:
            continue
        (must if kind == "must_link" else apart)[[i, j], [j, i]] = True
    forbidden[:] = (forbidden & ~must) | apart
    required[:] = (required & ~apart) | must
    if apart.any() or must.any():
        _take_back(required, must, forbidden)


def _take_back(
    required: NDArray[np.bool_], must: NDArray[np.bool_], apart: NDArray[np.bool_]
) -> None:
    """Remove the links of `required & ~must` that would join two rows that are `apart`."""
    group = np.arange(len(required))
    for i, j in np.argwhere(np.tril(must, -1)):
        group[group == group[j]] = group[i]
    for i, j in np.argwhere(np.tril(required & ~must, -1)):
        one, other = group == group[i], group == group[j]
        if apart[np.ix_(one, other)].any():
            required[i, j] = required[j, i] = False
        else:
            group[other] = group[i]
