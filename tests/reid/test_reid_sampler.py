"""P x K batches."""

from __future__ import annotations

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
