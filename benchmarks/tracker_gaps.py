"""Fill the gaps of finished tracks: post-processing that is the same for every tracker."""

from __future__ import annotations

import numpy as np

from trackers.motfile import MotRows


def fill_gaps(rows: MotRows, max_gap_frames: float) -> MotRows:
    """Linearly interpolated boxes where an id is missing for a while.

    Between two consecutive boxes of an id that lie at most `max_gap_frames` frames apart, every
    frame gets a box on the straight line between them, with score 0; longer gaps stay.

    Args:
        rows: results, an id at most once per frame.
        max_gap_frames: as above; 1 fills nothing.

    Returns:
        the given rows, and the filled ones after them.
    """
    order = np.lexsort((rows.frames, rows.ids))
    frames, ids = rows.frames[order], rows.ids[order]
    boxes = rows.boxes_xyxy[order].astype(np.float64)
    steps = np.diff(frames)
    gaps = np.flatnonzero((np.diff(ids) == 0) & (steps > 1) & (steps <= max_gap_frames))
    parts = [rows]
    for left in gaps:
        missing = np.arange(frames[left] + 1, frames[left + 1])
        share = ((missing - frames[left]) / steps[left])[:, None]
        filled = (1 - share) * boxes[left] + share * boxes[left + 1]
        parts.append(
            MotRows(
                missing,
                np.full(len(missing), ids[left]),
                filled.astype(np.float32),
                np.zeros(len(missing), np.float32),
            )
        )
    return MotRows.concatenate(parts)
