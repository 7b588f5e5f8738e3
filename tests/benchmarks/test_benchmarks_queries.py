from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.queries import (
    choose_queries,
    fully_visible,
    majority,
    person_votes,
    rank_of,
    share_within,
)
from pipeline.evaluation import LabelledCamera
from trackers.motfile import MotRows

SIZE = (100, 100)
Box = tuple[float, float, float, float]


def rows(*boxes: tuple[int, int, Box]) -> MotRows:
    """Frame, id and box of each row."""
    return MotRows(
        np.array([frame for frame, _, _ in boxes], np.int64),
        np.array([person for _, person, _ in boxes], np.int64),
        np.array([box for _, _, box in boxes], np.float32).reshape(-1, 4),
        np.ones(len(boxes), np.float32),
    )


@pytest.mark.parametrize(
    ("box", "visible"),
    [
        ((10, 10, 30, 50), True),
        ((2, 2, 98, 98), True),
        ((1, 10, 30, 50), False),
        ((10, 0, 30, 50), False),
        ((80, 10, 99, 50), False),
        ((10, 60, 30, 99), False),
    ],
)
def test_a_box_at_the_edge_is_not_fully_visible(box: Box, visible: bool) -> None:
    assert fully_visible(rows((1, 1, box)), rows(), SIZE).tolist() == [visible]


def test_overlap_counts_in_the_same_frame_only() -> None:
    gt = rows((1, 1, (10, 10, 30, 50)), (1, 2, (20, 10, 40, 50)), (2, 1, (10, 10, 30, 50)))
    ignore = rows((3, -1, (10, 10, 30, 50)))
    assert fully_visible(gt, ignore, SIZE).tolist() == [False, False, True]


def test_a_box_in_an_ignore_box_is_not_fully_visible() -> None:
    gt = rows((1, 1, (10, 10, 30, 50)), (1, 2, (60, 10, 80, 50)))
    ignore = rows((1, -1, (25, 10, 35, 50)))
    assert fully_visible(gt, ignore, SIZE).tolist() == [False, True]


def cameras() -> list[LabelledCamera]:
    small, large, cut = (10, 10, 20, 30), (10, 10, 30, 50), (0, 0, 60, 90)
    a = rows((1, 1, small), (2, 1, large), (3, 1, cut), (9, 1, (5, 5, 60, 90)), (5, 3, small))
    b = rows((1, 1, small), (4, 2, cut))
    c = rows((4, 2, large), (5, 1, large))
    return [LabelledCamera(name, gt, rows()) for name, gt in (("A", a), ("B", b), ("C", c))]


def test_the_largest_fully_visible_box_of_people_in_two_cameras_is_chosen() -> None:
    queries, without = choose_queries(cameras(), dict.fromkeys("ABC", SIZE), last_frame=8)
    chosen = [(q.person, q.camera, q.frame, q.others) for q in queries]
    assert chosen == [
        (1, "A", 2, ("B", "C")),
        (1, "B", 1, ("A", "C")),
        (1, "C", 5, ("A", "B")),
        (2, "C", 4, ("A", "B")),
    ]
    assert queries[0].box_xyxy == (10, 10, 30, 50)
    assert without == [(2, "B")]


def test_labels_after_the_last_frame_do_not_count() -> None:
    queries, without = choose_queries(cameras(), dict.fromkeys("ABC", SIZE), last_frame=3)
    assert [(q.person, q.camera, q.others) for q in queries] == [
        (1, "A", ("B", "C")),
        (1, "B", ("A", "C")),
    ]
    assert without == []


def test_votes_need_half_an_overlap_and_go_to_the_best_box() -> None:
    gt = rows((1, 7, (10, 10, 30, 50)), (1, 8, (12, 10, 32, 50)), (2, 7, (10, 10, 30, 50)))
    seen = rows((1, 0, (12, 10, 32, 50)), (2, 0, (40, 10, 60, 50)), (3, 0, (10, 10, 30, 50)))
    assert person_votes(seen, gt) == Counter({8: 1})


@pytest.mark.parametrize(
    ("votes", "person"),
    [
        ([], None),
        ([Counter()], None),
        ([Counter({1: 2}), Counter({2: 3})], 2),
        ([Counter({1: 2, 2: 1}), Counter({2: 1, 3: 1})], 1),
    ],
)
def test_majority(votes: list[Counter[int]], person: int | None) -> None:
    assert majority(votes) == person


@pytest.mark.parametrize(
    ("groups", "rank"),
    [([], None), ([None, 3], None), ([4, 3, 4], 1), ([None, 3, 4, 4], 3)],
)
def test_rank_of_the_right_group(groups: list[int | None], rank: int | None) -> None:
    assert rank_of(4, groups) == rank


def test_share_within() -> None:
    ranks = [1, 5, 6, None]
    assert share_within(ranks, 1) == 0.25
    assert share_within(ranks, 5) == 0.5
    assert share_within([], 5) is None
