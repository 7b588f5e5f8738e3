"""Tracks are cut where they ran from one person onto another, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_builders import Looks, box

from trackers.history import Observation
from trackers.purity import PurityConfig, split_at_changes

CONFIG = PurityConfig(event_distance=0.35, calm_distance=0.5, gap_s=0.6)


def track(
    people: list[int | None],
    crowded: range = range(0),
    seed: int = 0,
    pause: tuple[int, float] | None = None,
    noise: float = 0.05,
) -> list[Observation]:
    """One observation per entry, 10 per second; None has no embedding.

    `pause`: (index, seconds) of an additional wait before that observation.
    """
    rng = np.random.default_rng(seed)
    seen = []
    for k, person in enumerate(people):
        late = pause[1] if pause and k >= pause[0] else 0.0
        feature = None if person is None else Looks.of(person).seen(rng, noise)[0]
        seen.append(Observation(k, k / 10 + late, box(k), 0.9, 0, k in crowded, feature))
    return seen


def lengths(observations: list[Observation], config: PurityConfig = CONFIG) -> list[int]:
    runs = split_at_changes(observations, config)
    assert [o for run in runs for o in run] == observations, "nothing is lost or reordered"
    return [len(run) for run in runs]


def test_two_people_are_cut_at_their_crossing() -> None:
    first, second = lengths(track([1] * 20 + [2] * 20, crowded=range(18, 23)))
    assert 18 <= first <= 23
    assert first + second == 40


def test_a_cut_after_a_pause_is_exactly_there() -> None:
    people: list[int | None] = [1] * 15 + [None] * 3 + [2] * 15
    assert lengths(track(people, pause=(16, 1.0))) == [16, 17]


def test_two_people_without_any_event_are_cut_only_if_very_different() -> None:
    seen = track([1] * 10 + [2] * 10)
    assert lengths(seen) == [10, 10]
    assert lengths(seen, PurityConfig(calm_distance=2.0)) == [20]


def test_three_people_are_three_runs() -> None:
    people: list[int | None] = [1] * 12 + [2] * 12 + [3] * 12
    first, second, third = lengths(track(people, crowded=range(11, 13)))
    assert (first, third) == (12, 12)
    assert second == 12


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    crowds=st.lists(st.integers(0, 39), max_size=3),
    gap=st.integers(1, 39),
)
def test_one_person_is_never_cut(seed: int, crowds: list[int], gap: int) -> None:
    """Noise of 0.05 per number puts two pictures of one person about 0.14 apart."""
    observations = track([1] * 40, seed=seed, pause=(gap, 3.0))
    flagged = [
        Observation(**{**vars(o), "crowded": any(c <= k < c + 5 for c in crowds)})
        for k, o in enumerate(observations)
    ]
    assert lengths(flagged) == [40]


@pytest.mark.parametrize("people", [[None] * 8, [None, 1, None, None], [1]])
def test_too_few_embeddings_say_nothing(people: list[int | None]) -> None:
    assert lengths(track(people, pause=(2, 5.0))) == [len(people)]


def test_crowded_embeddings_are_not_compared() -> None:
    """Another person's looks while covered by them are no reason to cut."""
    people: list[int | None] = [1] * 10 + [2] * 4 + [1] * 10
    assert lengths(track(people, crowded=range(10, 14))) == [24]


def test_a_side_needs_enough_embeddings() -> None:
    seen = track([1] * 10 + [2], pause=(10, 1.0))
    assert lengths(seen) == [10, 1]
    assert lengths(seen, PurityConfig(min_side=3)) == [11]
