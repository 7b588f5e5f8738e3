"""Groups keep the identities they had: stable, one to one, the heavier part keeps the number."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.association.naming import name_groups


def name(groups: list[int], kept: dict[str, int], weights: list[float] | None = None) -> dict:
    uuids = [f"t{k}" for k in range(len(groups))]
    heavy = np.array(weights or [1.0] * len(groups))
    return name_groups(uuids, np.array(groups, np.int64), heavy, kept)


def test_the_same_groups_keep_their_numbers() -> None:
    assert name([0, 0, 2], {"t0": 5, "t1": 5, "t2": 9}) == {0: 5, 2: 9}


def test_newcomers_get_a_new_number() -> None:
    assert name([0, 1, 1], {"t0": 5}) == {0: 5, 1: None}


def test_a_group_that_falls_apart_leaves_the_number_to_the_heavier_part() -> None:
    kept = {"t0": 5, "t1": 5, "t2": 5}
    assert name([0, 1, 1], kept) == {0: None, 1: 5}
    assert name([0, 1, 1], kept, [3.0, 1.0, 1.0]) == {0: 5, 1: None}


def test_groups_that_become_one_keep_the_heavier_number() -> None:
    assert name([0, 0, 0], {"t0": 5, "t1": 6, "t2": 6}) == {0: 6}


def test_nothing() -> None:
    assert name([], {}) == {}
    assert name([0, 0, 2], {}) == {0: None, 2: None}


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(1, 5))), max_size=9))
def test_one_to_one_and_only_to_who_had_it(rows: list[tuple[int, int | None]]) -> None:
    kept = {f"t{k}": identity for k, (_, identity) in enumerate(rows) if identity is not None}
    names = name([group for group, _ in rows], kept)
    assert set(names) == {group for group, _ in rows}
    given_ids = [identity for identity in names.values() if identity is not None]
    assert len(set(given_ids)) == len(given_ids)
    for group, identity in names.items():
        if identity is not None:
            assert (group, identity) in rows
