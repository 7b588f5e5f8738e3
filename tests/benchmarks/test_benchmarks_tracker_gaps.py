from __future__ import annotations

import numpy as np
import pytest

from benchmarks.tracker_gaps import fill_gaps
from trackers.motfile import MotRows


def rows(*lines: tuple[int, int, float]) -> MotRows:
    """Boxes of frame, id and left edge, 10 x 20 pixels, score 0.9."""
    frames, ids, lefts = (np.array(column) for column in zip(*lines, strict=True))
    tops = 2.0 * lefts
    return MotRows(
        frames,
        ids,
        np.stack([lefts, tops, lefts + 10, tops + 20], 1),
        np.full(len(frames), 0.9),
    )


def test_a_gap_is_filled_on_a_straight_line() -> None:
    filled = fill_gaps(rows((3, 7, 0.0), (7, 7, 8.0)), 4)
    assert filled.frames.tolist() == [3, 7, 4, 5, 6]
    assert filled.ids.tolist() == [7] * 5
    assert filled.scores[:2] == pytest.approx(0.9)
    assert filled.scores[2:].tolist() == [0, 0, 0]
    np.testing.assert_allclose(
        filled.boxes_xyxy[2:],
        [[2, 4, 12, 24], [4, 8, 14, 28], [6, 12, 16, 32]],
    )


@pytest.mark.parametrize(("limit", "added"), [(1, 0), (3.9, 0), (4, 3), (50.0, 3)])
def test_longer_gaps_stay(limit: float, added: int) -> None:
    given = rows((1, 1, 0.0), (2, 1, 1.0), (6, 1, 2.0))
    assert len(fill_gaps(given, limit)) == len(given) + added


def test_other_ids_do_not_close_a_gap_and_file_order_does_not_matter() -> None:
    filled = fill_gaps(rows((9, 2, 4.0), (3, 1, 0.0), (1, 2, 0.0), (5, 1, 2.0)), 3)
    assert (filled.frames[4:].tolist(), filled.ids[4:].tolist()) == ([4], [1])
    np.testing.assert_allclose(filled.boxes_xyxy[4], [1, 2, 11, 22])
    assert filled.first_duplicate() is None


def test_nothing_stays_nothing() -> None:
    assert len(fill_gaps(MotRows.empty(), 50)) == 0
