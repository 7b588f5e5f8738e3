"""Errors at fixed false-match rates: cases by hand, and plain loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid.errors import ReidError
from reid.open_set import (
    FALSE_MATCH_RATES,
    cross_camera_pairs,
    identification_errors,
    verification_errors,
)

NAN = float("nan")


def smallest_miss(mated: list[float], non_mated: list[float], rate: float) -> tuple[float, float]:
    """(FMR, FNMR) of the best threshold that keeps the rate: every threshold is tried."""
    best = (0.0, 1.0)
    for threshold in [*mated, *non_mated, math.inf]:
        if math.isnan(threshold):
            continue
        false = sum(1 for d in non_mated if d < threshold)
        missed = sum(1 for d in mated if not d < threshold)
        if false <= rate * len(non_mated) + 1e-9:
            best = max(best, (false / len(non_mated), missed / len(mated)), key=lambda r: -r[1])
    return best


@pytest.mark.parametrize(
    ("mated", "non_mated", "rate", "fmr", "fnmr"),
    [
        pytest.param([0.1, 0.2], [0.3, 0.4], 0.0, 0.0, 0.0, id="apart"),
        pytest.param([0.5, 0.6], [0.3, 0.4], 0.0, 0.0, 1.0, id="the wrong way round"),
        pytest.param([0.1, 0.35], [0.3, 0.4], 0.5, 0.5, 0.0, id="one of two may match"),
        pytest.param([0.1, 0.35], [0.3, 0.4], 0.4, 0.0, 0.5, id="less than one pair"),
        pytest.param([0.2, 0.3], [0.3, 0.3, 0.4, 0.5], 0.25, 0.0, 0.5, id="ties stay together"),
        pytest.param([0.3, 0.9], [0.1, 0.2], 1.0, 1.0, 0.0, id="everything matches"),
        pytest.param([0.1, NAN], [0.3, NAN], 0.5, 0.5, 0.5, id="unknown never matches"),
        pytest.param([0.1, NAN], [NAN, NAN], 1.0, 0.0, 0.5, id="nor at the rate of 1"),
    ],
)
def test_verification_by_hand(
    mated: list[float], non_mated: list[float], rate: float, fmr: float, fnmr: float
) -> None:
    (found,) = verification_errors(np.array(mated), np.array(non_mated), [rate])
    assert (found.fmr, found.fnmr) == pytest.approx((fmr, fnmr))
    assert (found.mated, found.non_mated, found.target) == (len(mated), len(non_mated), rate)


TENTHS = st.lists(st.integers(0, 12).map(lambda n: n / 10), min_size=1, max_size=25)


@given(TENTHS, TENTHS, st.sampled_from([0.0, 0.001, 0.1, 0.29, 0.3, 0.7, 1.0]))
@settings(max_examples=150, deadline=None)
def test_verification_is_the_best_that_any_threshold_gives(
    mated: list[float], non_mated: list[float], rate: float
) -> None:
    (found,) = verification_errors(np.array(mated), np.array(non_mated), [rate])
    assert found.fnmr == pytest.approx(smallest_miss(mated, non_mated, rate)[1])
    assert found.fmr <= rate + 1e-9
    below = sum(d < found.threshold for d in non_mated) / len(non_mated)
    assert found.fmr == pytest.approx(below)


def test_a_hundred_pairs_at_the_usual_rates() -> None:
    non_mated = np.arange(1, 101) / 100
    found = verification_errors(np.array([0.005, 0.015, 0.1, 0.105, 0.5]), non_mated)
    assert [one.target for one in found] == list(FALSE_MATCH_RATES)
    assert [one.fmr for one in found] == pytest.approx([0.1, 0.01, 0.0])
    assert [one.fnmr for one in found] == pytest.approx([0.2, 0.6, 0.8])


def labelled(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    points = rng.normal(size=(count, 2))
    points[: count // 2] = np.round(points[: count // 2])  # equal distances happen
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    return distances, rng.integers(1, 5, count), rng.integers(0, 3, count)


@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_those_of_two_loops(seed: int) -> None:
    distances, people, cameras = labelled(np.random.default_rng(seed), 17)
    mated, non_mated = [], []
    for i in range(17):
        for j in range(i + 1, 17):
            if cameras[i] != cameras[j]:
                (mated if people[i] == people[j] else non_mated).append(distances[i, j])
    found = cross_camera_pairs(distances, people, cameras)
    assert sorted(found[0].tolist()) == sorted(mated)
    assert sorted(found[1].tolist()) == sorted(non_mated)


def searched(
    line: np.ndarray, person: int, camera: int, people: np.ndarray, cameras: np.ndarray
) -> tuple[list[float], list[float]]:
    """Distances of one query to its mates and to others, in other cameras."""
    mates, others = [], []
    for distance, who, where in zip(line, people, cameras, strict=True):
        if where != camera:
            (mates if who == person else others).append(float(distance))
    return mates, others


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.34, 1.0])
def test_identification_equals_plain_loops(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    distances, people, cameras = labelled(rng, 23)
    lines = [
        searched(*one, people, cameras) for one in zip(distances, people, cameras, strict=True)
    ]
    searches = [min(others) for _, others in lines if others]
    expected = 0.0
    for threshold in [*searches, *distances.ravel().tolist(), math.inf]:
        if sum(d < threshold for d in searches) > rate * len(searches) + 1e-9:
            continue
        right = total = 0
        for mates, others in lines:
            if mates:
                total += 1
                first = not others or min(mates) < min(others)
                right += min(mates) < threshold and first
        expected = max(expected, right / total)
    (found,) = identification_errors(distances, people, people, cameras, cameras, [rate])
    assert found.tpir == pytest.approx(expected)
    assert found.fpir == pytest.approx(sum(d < found.threshold for d in searches) / len(searches))
    assert found.fpir <= rate + 1e-9
    assert found.non_mated == len(searches)
    assert found.mated == sum(bool(mates) for mates, _ in lines)


@pytest.mark.parametrize(
    ("line", "gallery", "tpir"),
    [
        pytest.param([0.1, 0.2], [(1, 2), (2, 2)], 1.0, id="first"),
        pytest.param([0.2, 0.1], [(1, 2), (2, 2)], 0.0, id="second"),
        pytest.param([0.1, 0.1], [(1, 2), (2, 2)], 0.0, id="as far as another"),
        pytest.param([0.2, 0.1], [(1, 2), (2, 1)], 1.0, id="the own camera does not count"),
        pytest.param([NAN, 0.1], [(1, 2), (2, 2)], 0.0, id="unknown is not returned"),
    ],
)
def test_identification_by_hand(
    line: list[float], gallery: list[tuple[int, int]], tpir: float
) -> None:
    people, cameras = np.array([*gallery, (3, 2)]).T
    one = np.array([1])
    distances = np.array([[*line, 0.9]])
    (found,) = identification_errors(distances, one, people, one, cameras, [1.0])
    assert found.tpir == tpir


LABELS = np.array([1, 2])
CAMERAS = np.array([1, 2])


@pytest.mark.parametrize(
    ("mated", "non_mated", "message"),
    [([], [0.1], "no pair of one person"), ([0.1], [], "no pair of two people")],
)
def test_nothing_to_compare(mated: list[float], non_mated: list[float], message: str) -> None:
    with pytest.raises(ReidError, match=message):
        verification_errors(np.array(mated), np.array(non_mated))


@pytest.mark.parametrize(
    ("people", "message"), [([1, 2], "person is in another"), ([1, 1], "person is not in another")]
)
def test_nothing_to_search(people: list[int], message: str) -> None:
    who = np.array(people)
    with pytest.raises(ReidError, match=message):
        identification_errors(np.zeros((2, 2)), who, who, CAMERAS, CAMERAS)


@pytest.mark.parametrize("rate", [-0.1, 1.1, NAN])
def test_a_rate_outside_its_range(rate: float) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        verification_errors(np.zeros(2), np.zeros(2), [rate])


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        cross_camera_pairs(np.zeros((2, 3)), LABELS, CAMERAS)
    with pytest.raises(ValueError, match="do not fit"):
        identification_errors(np.zeros((3, 2)), LABELS, LABELS, CAMERAS, CAMERAS)
