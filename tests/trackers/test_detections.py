"""Detections of one frame are well formed or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackers.detections import Detections


@given(st.integers(0, 5))
def test_lists_become_arrays_of_the_right_shape(count: int) -> None:
    made = Detections([[0, 1, 2, 3]] * count, [0.5] * count)  # type: ignore[arg-type]
    assert (made.boxes_xyxy.shape, made.scores.shape) == ((count, 4), (count,))
    assert made.boxes_xyxy.dtype == made.scores.dtype == np.float32
    assert len(made) == count


def test_nobody() -> None:
    empty = Detections.empty()
    assert (len(empty), empty.boxes_xyxy.shape) == (0, (0, 4))


@pytest.mark.parametrize(("boxes", "scores"), [(2, 1), (0, 1), (1, 0)])
def test_a_score_for_each_box(boxes: int, scores: int) -> None:
    with pytest.raises(ValueError, match=f"{boxes} boxes but {scores} scores"):
        Detections(np.zeros((boxes, 4), np.float32), np.zeros(scores, np.float32))


def test_a_box_has_four_edges() -> None:
    with pytest.raises(ValueError, match="reshape"):
        Detections(np.zeros((1, 3), np.float32), np.zeros(1, np.float32))
