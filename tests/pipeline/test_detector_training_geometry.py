"""Overlap and hiding, by hand."""

import numpy as np
import pytest

from pipeline.detector_training.box_geometry import (
    clip_to_picture,
    hidden_share,
    iou,
    share_inside,
)


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        ([0, 0, 10, 10], [5, 0, 15, 10], 1 / 3),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0.0),
        ([0, 0, 0, 0], [0, 0, 0, 0], 0.0),
    ],
)
def test_iou(a, b, expected):
    assert iou(boxes(a), boxes(b))[0, 0] == pytest.approx(expected)


def test_share_inside_is_of_the_first_box():
    assert share_inside(boxes([0, 0, 10, 10]), boxes([5, 0, 100, 100]))[0, 0] == 0.5
    assert share_inside(boxes([5, 0, 100, 100]), boxes([0, 0, 10, 10]))[0, 0] < 0.01


def test_empty_sets_of_boxes():
    assert iou(boxes(), boxes([0, 0, 1, 1])).shape == (0, 1)
    assert hidden_share(boxes()).shape == (0,)


def test_only_a_nearer_person_hides():
    far, near = [0, 0, 10, 20], [0, 10, 10, 40]
    assert hidden_share(boxes(far, near)).tolist() == pytest.approx([0.5, 0.0])


def test_two_nearer_people_hide_their_union():
    far = [0, 0, 20, 20]
    left, also_left, right = [0, 0, 10, 30], [0, 0, 10, 31], [15, 0, 20, 30]
    hidden = hidden_share(boxes(far, left, also_left, right))
    assert hidden[0] == pytest.approx(0.75, abs=0.05)


def test_clipping():
    clipped = clip_to_picture(boxes([-5, 10, 700, 500]), 640, 480)
    assert clipped.tolist() == [[0, 10, 640, 480]]
