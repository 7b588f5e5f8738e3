"""Overlap of boxes against counting pixels one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackers.boxes import areas, covered, intersections, iou, usable

SIDE = 12
few = settings(max_examples=40, deadline=None)


@st.composite
def pixel_boxes(draw: st.DrawFn) -> np.ndarray:
    """(N, 4) boxes of whole pixels inside a SIDE x SIDE picture, some of them empty."""
    corner = st.integers(0, SIDE)
    rows = draw(st.lists(st.tuples(corner, corner, corner, corner), max_size=5))
    return np.array(
        [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in rows], np.float32
    ).reshape(-1, 4)


def mask(box: np.ndarray) -> np.ndarray:
    left, top, right, bottom = box.astype(int)
    picture = np.zeros((SIDE, SIDE), bool)
    picture[top:bottom, left:right] = True
    return picture


@few
@given(pixel_boxes(), pixel_boxes())
def test_intersections_and_iou_count_pixels(a: np.ndarray, b: np.ndarray) -> None:
    common, ratio = intersections(a, b), iou(a, b)
    assert common.shape == ratio.shape == (len(a), len(b))
    for i, box_a in enumerate(a):
        for j, box_b in enumerate(b):
            both = (mask(box_a) & mask(box_b)).sum()
            either = (mask(box_a) | mask(box_b)).sum()
            assert common[i, j] == both
            assert ratio[i, j] == pytest.approx(both / either if either else 0.0)


@few
@given(pixel_boxes())
def test_covered_is_the_largest_share_under_one_other_box(boxes: np.ndarray) -> None:
    shares = covered(boxes)
    for i, box in enumerate(boxes):
        own = mask(box)
        others = [(own & mask(o)).sum() / max(own.sum(), 1) for j, o in enumerate(boxes) if j != i]
        assert shares[i] == pytest.approx(max(others, default=0.0))


@few
@given(pixel_boxes())
def test_areas_count_pixels(boxes: np.ndarray) -> None:
    assert areas(boxes).tolist() == [mask(box).sum() for box in boxes]


def test_inside_out_boxes_have_no_area() -> None:
    assert areas(np.array([[10, 0, 0, 10], [0, 0, 2, 3]], np.float32)).tolist() == [0, 6]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0, 0, 1, 1], True),
        ([-50, -50, -40, -10], True),
        ([0, 0, 0.5, 10], False),
        ([0, 0, 10, 0.5], False),
        ([10, 10, 0, 0], False),
        ([0, 0, np.nan, 10], False),
        ([0, 0, np.inf, 10], False),
        ([-1e20, -1e20, 1e20, 1e20], False),
    ],
)
def test_usable_boxes(box: list[float], expected: bool) -> None:
    assert usable(np.array([box], np.float32)).tolist() == [expected]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_one_broken_box_does_not_hide_that_others_overlap(bad: float) -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [0, bad, bad, 10]], np.float32)
    assert covered(boxes)[:2].tolist() == [0.5, 1.0]


def test_an_endless_box_covers_nothing() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, np.inf, 10], [-np.inf, 0, 5, 10]], np.float32)
    assert covered(boxes)[0] == 0.0
