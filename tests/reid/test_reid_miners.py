"""Every mining rule against plain loops over the batch, and the batches that it refuses."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reid.miners.all_pairs import all_pairs
from reid.miners.base import Miner, PairSelection, pick
from reid.miners.batch_all import batch_all
from reid.miners.batch_hard import batch_hard
from reid.miners.margin_sample import margin_sample
from reid.miners.opposite_pairs import opposite_pairs
from reid.miners.random_triplets import random_triplets
from reid.miners.soft_hard import soft_hard

Pairs = list[tuple[int, int]]

LABELS = st.lists(st.integers(0, 3), min_size=3, max_size=9).filter(
    lambda labels: len(set(labels)) > 1 and len(set(labels)) < len(labels)
)
"""Two to four identities in any order, at least one of them twice; others may be alone."""


def miners() -> dict[str, Miner]:
    return {
        "batch_hard": batch_hard,
        "batch_all": batch_all,
        "soft_hard": soft_hard,
        "margin_sample": margin_sample,
        "all_pairs": all_pairs,
        "random_triplets": partial(random_triplets, generator=torch.Generator().manual_seed(3)),
    }


def random_distances(count: int, seed: int = 0) -> Tensor:
    """(count, count) symmetric, zero on the diagonal."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(count, count, generator=generator, dtype=torch.float64).triu(1)
    return values + values.T


def positives(labels: list[int], anchor: int) -> list[int]:
    return [i for i, label in enumerate(labels) if label == labels[anchor] and i != anchor]


def negatives(labels: list[int], anchor: int) -> list[int]:
    return [i for i, label in enumerate(labels) if label != labels[anchor]]


def pairs_of(selection: PairSelection) -> tuple[Pairs, Pairs]:
    return [tuple(p) for p in selection.positive.tolist()], [
        tuple(p) for p in selection.negative.tolist()
    ]


@settings(max_examples=60, deadline=None)
@given(labels=LABELS, seed=st.integers(0, 1000))
def test_batch_hard_by_hand(labels: list[int], seed: int) -> None:
    distances = random_distances(len(labels), seed)
    rows = distances.tolist()
    near, far = [], []
    for a in range(len(labels)):
        if positives(labels, a):
            near.append((a, max(positives(labels, a), key=lambda i, a=a: rows[a][i])))
            far.append((a, min(negatives(labels, a), key=lambda i, a=a: rows[a][i])))
    selection = batch_hard(distances, torch.tensor(labels))
    assert pairs_of(selection) == (near, far)
    assert selection.paired


def test_all_distances_zero_still_select_a_positive() -> None:
    selection = batch_hard(torch.zeros(3, 3), torch.tensor([0, 0, 1]))
    assert pairs_of(selection) == ([(0, 1), (1, 0)], [(0, 2), (1, 2)])


@settings(max_examples=40, deadline=None)
@given(labels=LABELS)
def test_batch_all_by_hand(labels: list[int]) -> None:
    wanted = [
        (a, p, n)
        for a in range(len(labels))
        for p in positives(labels, a)
        for n in negatives(labels, a)
    ]
    selection = batch_all(random_distances(len(labels)), torch.tensor(labels))
    near, far = pairs_of(selection)
    assert sorted((a, p, n) for (a, p), (_, n) in zip(near, far, strict=True)) == wanted
    assert [a for a, _ in near] == [a for a, _ in far]
    assert selection.paired


def test_a_batch_of_p_by_k_has_the_stated_number_of_triplets() -> None:
    labels = torch.arange(4).repeat_interleave(3)
    assert len(batch_all(random_distances(12), labels).positive) == 12 * 2 * 9


def soft_by_hand(rows: list[list[float]], labels: list[int]) -> tuple[list[float], list[float]]:
    """Softmax-weighted means, positives by d and negatives by -d, per anchor with a positive."""
    near, far = [], []
    for a in range(len(labels)):
        for found, group, sign in ((near, positives, 1), (far, negatives, -1)):
            if positives(labels, a):
                values = [rows[a][i] for i in group(labels, a)]
                weights = [math.exp(sign * value) for value in values]
                weighted = sum(w * v for w, v in zip(weights, values, strict=True))
                found.append(weighted / sum(weights))
    return near, far


@settings(max_examples=60, deadline=None)
@given(labels=LABELS, seed=st.integers(0, 1000))
def test_soft_hard_by_hand(labels: list[int], seed: int) -> None:
    distances = random_distances(len(labels), seed)
    near, far = soft_hard(distances, torch.tensor(labels)).gather(distances)
    wanted_near, wanted_far = soft_by_hand(distances.tolist(), labels)
    assert near.tolist() == pytest.approx(wanted_near, rel=1e-12)
    assert far.tolist() == pytest.approx(wanted_far, rel=1e-12)


def test_soft_weights_are_means_and_zero_for_dropped_anchors() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    selection = soft_hard(random_distances(6), labels)
    for weights in (selection.positive_weights, selection.negative_weights):
        assert weights.sum(1).tolist() == pytest.approx([1, 1, 1, 1, 1, 0])
        assert weights.ge(0).all()
    assert selection.positive_weights.diagonal().eq(0).all()


def test_soft_weights_carry_the_gradient_of_the_mining_distances_only() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    distances = random_distances(6).requires_grad_()

    def both(mining: Tensor) -> Tensor:
        return torch.stack(soft_hard(mining, labels).gather(distances)).sum()

    (through,) = torch.autograd.grad(both(distances), distances)
    (constant,) = torch.autograd.grad(both(distances.detach()), distances)
    weights = soft_hard(distances.detach(), labels)
    torch.testing.assert_close(constant, weights.positive_weights + weights.negative_weights)
    assert not torch.allclose(through, constant)
    assert through.isfinite().all()


def test_soft_hard_gradient() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    distances = random_distances(6).requires_grad_()
    assert torch.autograd.gradcheck(lambda d: soft_hard(d, labels).gather(d), (distances,))


@settings(max_examples=60, deadline=None)
@given(labels=LABELS, seed=st.integers(0, 1000))
def test_margin_sample_by_hand(labels: list[int], seed: int) -> None:
    distances = random_distances(len(labels), seed)
    rows = distances.tolist()
    everyone = range(len(labels))
    near = max(rows[a][i] for a in everyone for i in positives(labels, a))
    far = min(rows[a][i] for a in everyone for i in negatives(labels, a))
    selection = margin_sample(distances, torch.tensor(labels))
    assert [len(pairs) for pairs in pairs_of(selection)] == [1, 1]
    for pairs, value in zip(pairs_of(selection), (near, far), strict=True):
        assert rows[pairs[0][0]][pairs[0][1]] == value
    assert labels[selection.positive[0, 0]] == labels[selection.positive[0, 1]]
    assert labels[selection.negative[0, 0]] != labels[selection.negative[0, 1]]


@settings(max_examples=40, deadline=None)
@given(labels=LABELS)
def test_all_pairs_by_hand(labels: list[int]) -> None:
    every = [(i, j) for i in range(len(labels)) for j in range(i + 1, len(labels))]
    selection = all_pairs(random_distances(len(labels)), torch.tensor(labels))
    assert pairs_of(selection) == (
        [(i, j) for i, j in every if labels[i] == labels[j]],
        [(i, j) for i, j in every if labels[i] != labels[j]],
    )
    assert not selection.paired


@settings(max_examples=40, deadline=None)
@given(labels=LABELS, seed=st.integers(0, 1000))
def test_random_triplets_are_triplets(labels: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    selection = random_triplets(
        random_distances(len(labels)), torch.tensor(labels), generator=generator
    )
    near, far = pairs_of(selection)
    assert [a for a, _ in near] == [a for a in range(len(labels)) if positives(labels, a)]
    assert [a for a, _ in far] == [a for a, _ in near]
    assert all(p in positives(labels, a) for a, p in near)
    assert all(n in negatives(labels, a) for a, n in far)
    assert selection.paired


def test_random_triplets_are_uniform_and_repeatable() -> None:
    labels, distances = torch.tensor([0, 0, 0, 0, 1, 2]), random_distances(6)

    def draw(seed: int) -> list[tuple[int, int]]:
        generator = torch.Generator().manual_seed(seed)
        found = [random_triplets(distances, labels, generator=generator) for _ in range(600)]
        return [(int(s.positive[0, 1]), int(s.negative[0, 1])) for s in found]

    assert draw(1) == draw(1)
    counts = Counter(draw(1))
    assert set(counts) == {(p, n) for p in (1, 2, 3) for n in (4, 5)}
    assert min(counts.values()) > 70  # 100 expected, standard deviation 9


@settings(max_examples=60, deadline=None)
@given(labels=LABELS.filter(lambda labels: len(set(labels)) > 2), seed=st.integers(0, 1000))
def test_opposite_pairs_by_hand(labels: list[int], seed: int) -> None:
    distances = random_distances(len(labels), seed)
    rows, everyone = distances.tolist(), range(len(labels))
    selection = batch_all(distances, torch.tensor(labels))
    hardest = opposite_pairs(selection, distances, torch.tensor(labels))
    global_ = opposite_pairs(selection, distances, torch.tensor(labels), "hardest_pair")
    for t, ((a, _), (_, b)) in enumerate(zip(*pairs_of(selection), strict=True)):
        thirds = [i for i in everyone if labels[i] not in (labels[a], labels[b])]
        assert hardest[t].tolist() == [b, min(thirds, key=lambda i, b=b: rows[b][i])]
        others = [
            (i, j) for i in everyone for j in everyone if len({labels[a], labels[i], labels[j]}) > 2
        ]
        assert pick(distances, global_)[t].item() == min(rows[i][j] for i, j in others)
        assert tuple(global_[t].tolist()) in others


@pytest.mark.parametrize("name", miners())
def test_mining_and_measuring_distances_are_independent(name: str) -> None:
    labels = torch.tensor([0, 0, 1, 1, 2])
    mining, measure = random_distances(5, 1), random_distances(5, 2).requires_grad_()
    near, far = miners()[name](mining.requires_grad_(False), labels).gather(measure)
    (near.sum() + far.sum()).backward()
    assert measure.grad is not None
    assert measure.grad.abs().sum() > 0
    if name == "batch_hard":
        rows, values = mining.tolist(), measure.tolist()
        hardest = [
            max(positives(labels.tolist(), a), key=lambda i, a=a: rows[a][i]) for a in range(4)
        ]
        assert near.tolist() == [values[a][p] for a, p in enumerate(hardest)]


@pytest.mark.parametrize("name", miners())
@pytest.mark.parametrize(
    ("labels", "message"),
    [([1, 1, 1], "two identities"), ([0, 1, 2], "two images"), ([5], "two identities")],
)
def test_batches_without_triplets_are_refused(name: str, labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=f"{name} needs .*{message}"):
        miners()[name](random_distances(len(labels)), torch.tensor(labels))


@pytest.mark.parametrize("name", miners())
def test_shapes_that_do_not_fit_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: distances \(3, 3\)"):
        miners()[name](random_distances(3), torch.tensor([0, 0, 1, 1]))


@pytest.mark.parametrize("name", miners())
def test_a_lonely_image_is_no_anchor_but_a_negative(name: str) -> None:
    labels = torch.tensor([0, 0, 1])
    distances = random_distances(3).requires_grad_()
    near, far = miners()[name](distances.detach(), labels).gather(distances)
    (used,) = torch.autograd.grad(near.sum() + far.sum(), distances)
    assert near.isfinite().all()
    assert used[:2, 2].sum() > 0
    if name != "margin_sample":
        assert used[2].eq(0).all()


def test_quadruplets_need_three_identities_and_triplets() -> None:
    distances, labels = random_distances(4), torch.tensor([0, 0, 1, 1])
    with pytest.raises(ValueError, match="opposite_pairs needs at least three identities"):
        opposite_pairs(batch_hard(distances, labels), distances, labels)
    labels = torch.tensor([0, 0, 1, 2])
    with pytest.raises(ValueError, match="opposite_pairs needs triplets"):
        opposite_pairs(all_pairs(distances, labels), distances, labels)
    with pytest.raises(ValueError, match="unknown rule 'softest'"):
        opposite_pairs(batch_hard(distances, labels), distances, labels, "softest")  # type: ignore[arg-type]


def test_pairs_that_do_not_fit_are_refused() -> None:
    two, one = torch.zeros(2, 2).long(), torch.zeros(1, 2).long()
    with pytest.raises(ValueError, match="2 positive and 1 negative"):
        PairSelection(two, one, paired=True)
    assert len(PairSelection(two, one, paired=False).negative) == 1
    with pytest.raises(ValueError, match=r"\(2,\) instead"):
        PairSelection(two, torch.zeros(2).long(), paired=True)
