"""P x K batches."""

from __future__ import annotations

import logging
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reid.data.sampler import IdentitySampler
from reid.errors import ReidError


def identities(*counts: int) -> NDArray[np.int64]:
    """`counts[i]` images of identity i, shuffled."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).permutation(labels)


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(1, 6), min_size=4, max_size=9),
    k=st.integers(2, 4),
    step=st.integers(0, 10_000),
    seed=st.integers(0, 99),
)
def test_a_batch_is_p_identities_times_k_images(
    counts: list[int], k: int, step: int, seed: int
) -> None:
    labels = identities(*counts)
    rows = IdentitySampler(labels, 4, k, seed).batch(step)
    assert rows.shape == (4 * k,)
    groups = labels[rows].reshape(4, k)
    assert (groups == groups[:, :1]).all()
    assert len(set(groups[:, 0])) == 4
    for group, label in zip(rows.reshape(4, k), groups[:, 0], strict=True):
        if counts[label] >= k:
            assert len(set(group)) == k


def test_too_few_images_repeat() -> None:
    rows = IdentitySampler(identities(1, 1), 2, 4, 0).batch(0)
    assert sorted(rows) == [0, 0, 0, 0, 1, 1, 1, 1]


def test_the_same_seed_gives_the_same_batches() -> None:
    labels = identities(5, 5, 5, 5, 5)
    one, other = IdentitySampler(labels, 2, 3, 7), IdentitySampler(labels, 2, 3, 7)
    for step in range(10):
        np.testing.assert_array_equal(one.batch(step), other.batch(step))
    different = IdentitySampler(labels, 2, 3, 8)
    assert any((one.batch(step) != different.batch(step)).any() for step in range(5))


def test_a_resumed_run_gets_the_batches_it_would_have_had() -> None:
    labels = identities(5, 5, 5, 5, 5)
    whole = list(islice(IdentitySampler(labels, 2, 3, 1), 9))
    resumed = IdentitySampler(labels, 2, 3, 1)
    for step in range(5, 9):
        np.testing.assert_array_equal(resumed.batch(step), whole[step])


def test_every_identity_comes_up_once_per_tour() -> None:
    labels = identities(3, 3, 3, 3, 3, 3)
    sampler = IdentitySampler(labels, 2, 2, 0)
    for tour in range(3):
        seen = [label for s in range(3) for label in set(labels[sampler.batch(3 * tour + s)])]
        assert sorted(seen) == [0, 1, 2, 3, 4, 5]


def test_batches_differ() -> None:
    sampler = IdentitySampler(identities(9, 9, 9), 2, 3, 0)
    assert len({tuple(sampler.batch(step)) for step in range(20)}) == 20


def test_too_few_identities() -> None:
    with pytest.raises(ReidError, match="2 identities, but a batch needs 3"):
        IdentitySampler(identities(4, 4), 3, 2, 0)


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(1, 5), min_size=3, max_size=6),
    k=st.integers(1, 13),
    step=st.integers(0, 500),
)
def test_no_image_is_shown_more_than_once_oftener_than_another(
    counts: list[int], k: int, step: int
) -> None:
    labels = identities(*counts)
    rows = IdentitySampler(labels, 3, k, 0).batch(step)
    for group in rows.reshape(3, k):
        own = np.flatnonzero(labels == labels[group[0]])
        shown = [int((group == row).sum()) for row in own]
        assert sum(shown) == k
        assert max(shown) - min(shown) <= 1


def test_who_is_repeated_is_chosen_without_bias() -> None:
    labels = identities(3)
    sampler = IdentitySampler(labels, 1, 4, 0)
    twice = np.zeros(3)
    for step in range(600):
        twice += np.bincount(sampler.batch(step), minlength=3) - 1
    assert twice.sum() == 600
    assert (np.abs(twice - 200) < 60).all(), "five standard deviations"


def test_identities_with_one_image_can_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    labels = identities(3, 1, 2, 1, 4)
    with caplog.at_level(logging.INFO):
        sampler = IdentitySampler(labels, 3, 2, 0, leave_out_single=True)
    assert "2 identities with one image are left out" in caplog.text
    for step in range(10):
        assert set(labels[sampler.batch(step)]) == {0, 2, 4}
    with pytest.raises(ReidError, match="3 identities, but a batch needs 4"):
        IdentitySampler(labels, 4, 2, 0, leave_out_single=True)


def test_one_image_identities_stay_by_default(caplog: pytest.LogCaptureFixture) -> None:
    labels = identities(3, 1)
    with caplog.at_level(logging.INFO):
        kept = IdentitySampler(labels, 2, 2, 0)
        IdentitySampler(identities(2, 2), 2, 2, 0, leave_out_single=True)
    assert not caplog.records
    assert set(labels[kept.batch(0)]) == {0, 1}


@settings(max_examples=40, deadline=None)
@given(
    people=st.integers(6, 20),
    world=st.integers(1, 3),
    step=st.integers(0, 1000),
    seed=st.integers(0, 9),
)
def test_the_ranks_share_one_large_batch(people: int, world: int, step: int, seed: int) -> None:
    labels = identities(*[1 + i % 5 for i in range(people)])
    shares = [IdentitySampler(labels, 2, 3, seed).batch(step, rank, world) for rank in range(world)]
    seen = [set(labels[share].tolist()) for share in shares]
    assert all(len(one) == 2 for one in seen)
    assert len(set().union(*seen)) == 2 * world, "disjoint"
    together = IdentitySampler(labels, 2 * world, 3, seed).batch(step)
    np.testing.assert_array_equal(np.concatenate(shares), together)


@pytest.mark.parametrize(("rank", "world"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_that_is_not_there(rank: int, world: int) -> None:
    with pytest.raises(ValueError, match=f"rank {rank} is not in"):
        IdentitySampler(identities(2, 2, 2), 1, 2, 0).batch(0, rank, world)


def test_too_few_identities_for_all_ranks() -> None:
    sampler = IdentitySampler(identities(4, 4, 4), 2, 2, 0)
    with pytest.raises(ReidError, match="3 identities, but a batch needs 2 on each of 2 processes"):
        sampler.batch(0, 0, 2)
