"""Evidence: looks against the site's own strangers, continuity, and walking times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from association_builders import nodes_of, tracklet
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.association.evidence import (
    Calibration,
    Evidence,
    Transits,
    _transit,
    gather_evidence,
    transit_between,
)
from storage.tracklets import Tracklet

PLAIN = Calibration(slope=2.0, offset=1.0, part_weight=0.0, prior_centre=0.2, prior_spread=0.1)


def gather(
    tracklets: list[Tracklet], calibration: Calibration = PLAIN, transits: Transits | None = None
) -> Evidence:
    return gather_evidence(nodes_of(tracklets), calibration, transits)


def apart(count: int) -> list[Tracklet]:
    """Different people, cameras and hours: only looks can speak."""
    return [tracklet(f"t{k}", k, camera=f"c{k}", start_s=3600.0 * k) for k in range(count)]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 6))
def test_evidence_is_symmetric(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    tracklets = [
        tracklet(
            f"{seed}-{k}",
            int(rng.integers(3)),
            camera="ab"[rng.integers(2)],
            start_s=float(rng.uniform(0, 20)),
            x=float(rng.uniform(0, 300)),
            exemplars=int(rng.integers(1, 5)),
        )
        for k in range(count)
    ]
    found = gather(tracklets, Calibration(), {("a", "b"): (1.0, 5.0), ("b", "a"): (2.0, 6.0)})
    for matrix in (found.log_odds, found.similarity, found.part_distance):
        assert matrix.shape == (count, count)
        assert np.isfinite(matrix).all()
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)


def test_one_person_is_likelier_than_two() -> None:
    people = [tracklet(f"t{k}", k % 3, camera=f"c{k}", start_s=1e4 * k) for k in range(9)]
    found = gather(people, Calibration())
    same = np.arange(9)[:, None] % 3 == np.arange(9)[None] % 3
    others = same & ~np.eye(9, dtype=bool)
    assert found.log_odds[others].min() > 0 > found.log_odds[~same].max()
    assert found.part_distance[others].max() < found.part_distance[~same].min()


def test_without_pairs_to_learn_from_the_prior_holds() -> None:
    """prior_pairs is so large that the one pair here weighs nothing."""
    found = gather(apart(2), replace(PLAIN, prior_pairs=1e12))
    expected = 2.0 * ((found.similarity - 0.2) / 0.1 - 1.0)
    np.testing.assert_allclose(found.log_odds, expected, rtol=1e-6)


def test_with_many_pairs_the_site_itself_calibrates() -> None:
    found = gather(apart(12), replace(PLAIN, prior_pairs=0.0))
    values = found.similarity[np.tril_indices(12, -1)]
    centre = np.median(values)
    spread = centre - np.quantile(values, 0.159)
    np.testing.assert_allclose(
        found.log_odds, 2.0 * ((found.similarity - centre) / spread - 1.0), rtol=1e-6
    )


def test_in_between_the_prior_fades_in_proportion() -> None:
    """12 people are 66 pairs: with a prior of 66 pairs both count half."""
    found = gather(apart(12), replace(PLAIN, prior_pairs=66.0))
    values = found.similarity[np.tril_indices(12, -1)]
    middle = np.median(values)
    centre = (middle + 0.2) / 2
    spread = (middle - np.quantile(values, 0.159) + 0.1) / 2
    np.testing.assert_allclose(
        found.log_odds, 2.0 * ((found.similarity - centre) / spread - 1.0), rtol=1e-6
    )


def test_parts_count_by_their_weight() -> None:
    """An identical second matrix in other units changes nothing but the share."""
    people = apart(8)
    whole = gather(people, replace(PLAIN, part_weight=0.0))
    parts = gather(people, replace(PLAIN, part_weight=1.0))
    half = gather(people, replace(PLAIN, part_weight=0.5))
    np.testing.assert_allclose(half.log_odds, (whole.log_odds + parts.log_odds) / 2, atol=1e-5)


def bonus(first: Tracklet, second: Tracklet) -> float:
    """What place and time add to the log odds of looks alone."""
    here = gather([first, second], replace(PLAIN, prior_pairs=1e12))
    looks = 2.0 * ((here.similarity[0, 1] - 0.2) / 0.1 - 1.0)
    return float(here.log_odds[0, 1] - looks)


def test_continuity_where_and_when_a_track_ended() -> None:
    ended = tracklet("a", 1, start_s=0, length_s=4)
    at_once = bonus(ended, tracklet("b", 2, start_s=4.1))
    later = bonus(ended, tracklet("b", 2, start_s=6))
    beside = bonus(ended, tracklet("b", 2, start_s=4.1, x=130))
    assert at_once > later > 0
    assert at_once > beside > 0
    assert at_once == pytest.approx(bonus(tracklet("b", 2, start_s=4.1), ended)), "any order"


@pytest.mark.parametrize(
    "other",
    [
        tracklet("b", 2, start_s=9),
        tracklet("b", 2, start_s=4.1, x=900),
        tracklet("b", 2, start_s=4.1, camera="b"),
        tracklet("b", 2, start_s=1),
    ],
    ids=["too late", "too far", "other camera", "at the same time"],
)
def test_no_continuity_elsewhere(other: Tracklet) -> None:
    assert bonus(tracklet("a", 1, start_s=0, length_s=4), other) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("start_s", "expected"), [(8, 1.0), (20, 1.0), (5, -3.0), (2, -3.0), (300, 0.0)]
)
def test_walking_times_between_neighbours(start_s: float, expected: float) -> None:
    """`a` ends after 4 s; the walk takes 3 to 30 s."""
    pair = [tracklet("a", 1), tracklet("b", 1, camera="b", start_s=start_s)]
    without = gather(pair).log_odds[0, 1]
    assert gather(pair, transits={("a", "b"): (3, 30)}).log_odds[0, 1] == pytest.approx(
        without + expected
    )
    assert gather(pair, transits={("b", "a"): (3, 30)}).log_odds[0, 1] == pytest.approx(without)
    assert gather(pair, transits={("a", "c"): (3, 30)}).log_odds[0, 1] == pytest.approx(without)


def test_transit_between_runs_from_the_earlier_one() -> None:
    first, second = tracklet("a"), tracklet("b", camera="b", start_s=10)
    window = {("a", "b"): (1.0, 9.0)}
    expected = (pytest.approx(6.0), (1.0, 9.0))
    assert transit_between(first, second, window) == expected
    assert transit_between(second, first, window) == expected
    assert transit_between(first, second, {("b", "a"): (1.0, 9.0)}) is None


def test_one_tracklet_and_none() -> None:
    assert gather([tracklet("a")]).log_odds.shape == (1, 1)
    assert gather([], Calibration()).log_odds.shape == (0, 0)


def test_bodies_without_a_common_part_take_the_mean() -> None:
    people = apart(4)
    blind = [replace(e, part_visibility=np.zeros(4, np.float32)) for e in people[3].exemplars]
    people[3] = replace(people[3], exemplars=tuple(blind))
    found = gather(people, Calibration())
    known = found.part_distance[:3, :3]
    assert np.isfinite(found.log_odds).all()
    assert found.part_distance[3, 0] == pytest.approx(known.mean())


VISITS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 12), st.integers(1, 5)), max_size=7
)


@settings(deadline=None)
@given(visits=VISITS)
def test_all_transits_at_once_are_those_of_each_pair(visits: list[tuple[str, int, int]]) -> None:
    windows = {("a", "b"): (2.0, 6.0), ("b", "a"): (1.0, 3.0), ("b", "c"): (0.0, 4.0)}
    tracklets = [
        tracklet(str(n), n, camera=name, start_s=start, length_s=length, exemplars=0)
        for n, (name, start, length) in enumerate(visits)
    ]
    expected = np.zeros((len(visits), len(visits)))
    for i in range(len(visits)):
        for j in range(i):
            found = transit_between(tracklets[i], tracklets[j], windows)
            if found is not None:
                seconds, (low, high) = found
                value = 1.0 if low <= seconds <= high else -3.0 if seconds < low else 0.0
                expected[i, j] = expected[j, i] = value
    np.testing.assert_array_equal(_transit(tracklets, windows), expected)
