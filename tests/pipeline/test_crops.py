from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.crops import clip_boxes, crop_quality, cut, encode_jpeg, usable

SIZE_WH = (640, 480)
BOX = [200.0, 100.0, 270.0, 270.0]


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


def quality(
    box: list[float] = BOX,
    others: tuple[list[float], ...] = (),
    score: float = 0.9,
    image: np.ndarray | None = None,
) -> float:
    boxes = np.array([box, *others], np.float32)
    picture = textured(480, 640) if image is None else image
    crop = cut(picture, clip_boxes(boxes, SIZE_WH)[0])
    return crop_quality(crop, 0, boxes, score, SIZE_WH)


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-1000, 2000, width=32)))
def test_a_clipped_box_can_always_be_cut(boxes: np.ndarray) -> None:
    clipped = clip_boxes(boxes, SIZE_WH)
    assert (clipped >= 0).all()
    assert (clipped <= [640, 480, 640, 480]).all()
    image = np.zeros((480, 640, 3), np.uint8)
    for box, fine in zip(clipped, usable(clipped), strict=True):
        if fine:
            crop = cut(image, box)
            assert crop.shape[0] >= 8
            assert crop.shape[1] >= 4


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([10, 10, 30, 60], True),
        ([10, 10, 10, 60], False),
        ([30, 10, 10, 60], False),
        ([-50, 10, -1, 60], False),
        ([638, 10, 700, 60], False),
        ([10, 470, 30, 500], True),
        ([10, 475, 30, 500], False),
    ],
)
def test_degenerate_boxes_are_not_usable(box: list[float], expected: bool) -> None:
    assert usable(clip_boxes(np.array([box], np.float32), SIZE_WH)).tolist() == [expected]


def test_no_boxes_are_fine() -> None:
    empty = np.zeros((0, 4), np.float32)
    assert usable(clip_boxes(empty, SIZE_WH)).tolist() == []


def test_a_good_picture_scores_better_than_each_spoilt_one() -> None:
    good = quality()
    flat = cv2.GaussianBlur(textured(480, 640), (31, 31), 0)
    assert 0.5 < good <= 1
    assert quality(score=0.3) < good
    assert quality([200, 100, 220, 150]) < good, "small"
    assert quality(image=flat) < good, "blurred"
    assert quality([200, 100, 400, 270]) < good, "too wide for a person"
    assert quality([0, 100, 70, 270]) < good, "cut by the left edge"
    assert quality([200, 310, 270, 480]) < good, "cut by the bottom edge"
    assert quality(others=([220, 120, 300, 300],)) < good, "somebody stands in front"


def test_somebody_in_front_spoils_more_than_somebody_behind() -> None:
    front = quality(others=([210, 110, 260, 300],))
    behind = quality(others=([210, 90, 260, 250],))
    assert front < behind < quality()


@given(hnp.arrays(np.float32, (2, 4), elements=st.floats(-100, 800, width=32)), st.floats(-1, 2))
def test_quality_stays_in_range(boxes: np.ndarray, score: float) -> None:
    value = crop_quality(textured(20, 10), 0, boxes, score, SIZE_WH)
    assert 0 <= value <= 1


def test_a_stored_crop_is_a_jpeg_of_limited_height() -> None:
    small = cv2.imdecode(np.frombuffer(encode_jpeg(textured(60, 30)), np.uint8), cv2.IMREAD_COLOR)
    large = cv2.imdecode(np.frombuffer(encode_jpeg(textured(800, 400)), np.uint8), 1)
    assert small is not None
    assert large is not None
    assert small.shape == (60, 30, 3)
    assert large.shape == (384, 192, 3)
