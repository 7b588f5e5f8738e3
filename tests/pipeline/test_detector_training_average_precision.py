"""AP50 against cases counted by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detector_training.average_precision import (
    ScoredFrame,
    average_precision,
    judge_frame,
    score_frames,
)

PERSON = [0.0, 0.0, 10.0, 20.0]
OTHER = [100.0, 0.0, 110.0, 20.0]
NOBODY = [50.0, 50.0, 60.0, 70.0]


def frame(truth, found, scores, ignored=None, min_height_px=0.0):
    return ScoredFrame(
        truth_xyxy=np.array(truth, np.float32).reshape(-1, 4),
        truth_ignored=np.array(ignored if ignored is not None else [False] * len(truth), bool),
        found_xyxy=np.array(found, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        min_height_px=min_height_px,
    )


@pytest.mark.parametrize(
    ("right", "people", "expected"),
    [
        ([True], 1, 1.0),
        ([False], 1, 0.0),
        ([True, True], 4, 0.5),
        # precision 1, 1/2, 2/3: the second person is worth its interpolated 2/3
        ([True, False, True], 2, 0.5 * 1 + 0.5 * 2 / 3),
        # precision 0, 1/2, 2/3, 3/4: the envelope lifts all three to 3/4
        ([False, True, True, True], 3, 0.75),
        ([], 5, 0.0),
    ],
)
def test_average_precision_by_hand(right, people, expected):
    scores = np.linspace(0.9, 0.1, len(right)).astype(np.float32)
    assert average_precision(scores, np.array(right, bool), people) == pytest.approx(expected)


def test_no_people_has_no_average_precision():
    assert math.isnan(average_precision(np.zeros(1, np.float32), np.zeros(1, bool), 0))


def test_detections_of_equal_score_enter_together():
    scores = np.array([0.5, 0.5], np.float32)
    for right in ([True, False], [False, True]):
        assert average_precision(scores, np.array(right), 1) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20), st.randoms())
def test_the_order_of_detections_does_not_matter(rows, random):
    people = max(1, sum(right for _, right in rows))
    shuffled = random.sample(rows, len(rows))
    values = [
        average_precision(
            np.array([s for s, _ in r], np.float32), np.array([b for _, b in r], bool), people
        )
        for r in (rows, shuffled)
    ]
    assert values[0] == pytest.approx(values[1])
    assert 0 <= values[0] <= 1


def test_a_second_box_on_the_same_person_is_wrong():
    _, right = judge_frame(frame([PERSON], [PERSON, PERSON], [0.9, 0.8]))
    assert right.tolist() == [True, False]


def test_the_better_score_takes_the_person_whatever_the_order():
    shifted = [2.0, 0.0, 12.0, 20.0]
    scores, right = judge_frame(frame([PERSON], [shifted, PERSON], [0.3, 0.9]))
    assert scores.tolist() == pytest.approx([0.9, 0.3])
    assert right.tolist() == [True, False]


@pytest.mark.parametrize(
    ("width", "expected"), [(20.0, True), (21.0, False)], ids=["iou 0.5", "iou below 0.5"]
)
def test_an_overlap_of_exactly_one_half_counts(width, expected):
    _, right = judge_frame(frame([PERSON], [[0, 0, width, 20]], [0.9]))
    assert right.tolist() == [expected]


def test_each_detection_takes_the_person_it_overlaps_most():
    near = [1.0, 0.0, 11.0, 20.0]
    _, right = judge_frame(frame([PERSON, near], [near, PERSON], [0.9, 0.8]))
    assert right.tolist() == [True, True]


def test_finding_or_missing_an_ignored_person_changes_nothing():
    found = score_frames([frame([PERSON, OTHER], [PERSON, OTHER], [0.9, 0.8], [False, True])])
    missed = score_frames([frame([PERSON, OTHER], [PERSON], [0.9], [False, True])])
    assert found == missed
    assert found.people == 1
    assert found.ap50 == 1.0


def test_a_box_half_inside_an_ignored_region_is_excused():
    region = [40.0, 40.0, 90.0, 90.0]
    scores, _ = judge_frame(frame([region], [NOBODY], [0.9], [True]))
    assert scores.size == 0


def test_an_unmatched_box_below_the_labelled_size_is_excused():
    low, high = [50, 50, 55, 59], [50, 50, 55, 61]
    scores, right = judge_frame(
        frame([PERSON], [low, high, PERSON], [0.9, 0.8, 0.7], min_height_px=10)
    )
    assert scores.tolist() == pytest.approx([0.8, 0.7])
    assert right.tolist() == [False, True]


def test_recall_and_precision_at_a_score():
    score = score_frames(
        [
            frame([PERSON, OTHER], [PERSON, OTHER, NOBODY], [0.9, 0.2, 0.5]),
            frame([PERSON], [], []),
        ],
        at_score=0.25,
    )
    assert score.recall == pytest.approx(1 / 3)
    assert score.precision == pytest.approx(1 / 2)
    assert (score.people, score.frames) == (3, 2)


def test_a_frame_without_people_only_costs_precision():
    empty = frame([], [NOBODY], [0.95])
    score = score_frames([frame([PERSON], [PERSON], [0.9]), empty])
    assert score.ap50 == pytest.approx(0.5)
