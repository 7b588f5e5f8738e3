"""Who cannot be one person, and that an operator's word stands above it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from association_builders import tracklet

from pipeline.association.clustering import cluster
from pipeline.association.constraints import apply_decisions, cannot_link
from storage.tracklets import Tracklet


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (tracklet("b", start_s=2, x=400), True),
        (tracklet("b", start_s=2, x=400, camera="b"), False),
        (tracklet("b", start_s=10, x=400), False),
        (tracklet("b", start_s=4, x=400), False),
        (tracklet("b", start_s=3.9, x=400), False),
        (tracklet("b", start_s=3.7, x=400), True),
        (tracklet("b", start_s=2, x=102), False),
        (tracklet("b", start_s=2, x=105, width=20), False),
        (tracklet("b", start_s=2, x=120), True),
    ],
    ids=[
        "same time, elsewhere",
        "other camera",
        "later",
        "touching",
        "touching by 0.1 s",
        "together for 0.3 s",
        "twice the same body",
        "box inside a box",
        "half covered",
    ],
)
def test_one_person_is_not_twice_in_one_camera(other: Tracklet, expected: bool) -> None:
    found = cannot_link([tracklet("a"), other])
    assert found.tolist() == [[False, expected], [expected, False]]


def test_together_without_a_common_frame_is_still_twice() -> None:
    """Cameras that skip frames: the spans overlap, no frame has both boxes."""
    slow = tracklet("a")
    even = slow.frame_indices % 2 == 0
    a = Tracklet(**{**vars(slow), **{k: getattr(slow, k)[even] for k in ARRAYS}})
    b = Tracklet(**{**vars(slow), "uuid": "b", **{k: getattr(slow, k)[~even] for k in ARRAYS}})
    assert cannot_link([a, b])[0, 1]


ARRAYS = ("frame_indices", "times_s", "boxes_xyxy", "scores")


def test_nobody() -> None:
    assert cannot_link([]).shape == (0, 0)


def matrices(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((count, count), bool), np.zeros((count, count), bool)


def test_decisions_win_and_are_symmetric() -> None:
    people = [tracklet(u) for u in "abc"]
    forbidden, required = matrices(3)
    forbidden[0, 1] = forbidden[1, 0] = True
    required[1, 2] = required[2, 1] = True
    apply_decisions(
        people, [("must_link", "a", "b"), ("cannot_link", "c", "b")], forbidden, required
    )
    assert forbidden.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert required.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_decisions_about_others_change_nothing() -> None:
    forbidden, required = matrices(1)
    apply_decisions([tracklet("a")], [("must_link", "a", "z")], forbidden, required)
    assert not forbidden.any()
    assert not required.any()


@pytest.mark.parametrize("also", [[], [("must_link", "c", "b")], [("must_link", "a", "b")]])
def test_pieces_of_one_track_that_an_operator_tells_apart(also: list) -> None:
    """The tracker joined a, b and c; a and c must not meet again over b."""
    people = [tracklet(u, start_s=10 * k) for k, u in enumerate("abc")]
    forbidden, required = matrices(3)
    for i, j in combinations(range(3), 2):
        required[i, j] = required[j, i] = True
    apply_decisions(people, [("cannot_link", "a", "c"), *also], forbidden, required)
    labels = cluster(np.full((3, 3), 9.0), np.ones(3), forbidden, required)
    assert labels[0] != labels[2]
    for _, one, other in also:
        assert labels["abc".index(one)] == labels["abc".index(other)]
    assert labels[1] in (labels[0], labels[2]), "b still belongs to one of them"
