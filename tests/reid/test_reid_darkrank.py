"""DarkRank against enumeration of all rankings in plain Python."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reid.losses.darkrank import (
    hard_darkrank,
    log_likelihood,
    nearest_candidates,
    soft_darkrank,
)


def lists(count: int, seed: int = 0, queries: int = 3) -> tuple[Tensor, Tensor]:
    """Student and teacher distances (queries, count)."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.rand(
        2, queries, count, generator=generator, dtype=torch.float64
    ).unbind(0)
    return student + 0.1, teacher + 0.1


def probability(distances: list[float], order: tuple[int, ...], alpha: float, beta: float) -> float:
    """prod_i exp S(pi_i) / sum_k>=i exp S(pi_k), S = -alpha d^beta."""
    powers = [math.exp(-alpha * distances[i] ** beta) for i in order]
    product = 1.0
    for i, power in enumerate(powers):
        product *= power / sum(powers[i:])
    return product


@pytest.mark.parametrize("count", [2, 3, 5, 9])
@pytest.mark.parametrize(("alpha", "beta"), [(3.0, 3.0), (1.0, 1.0), (2.0, 1.5)])
def test_hard_darkrank_by_hand(count: int, alpha: float, beta: float) -> None:
    student, teacher = lists(count)
    total = 0.0
    for ours, theirs in zip(student.tolist(), teacher.tolist(), strict=True):
        order = tuple(sorted(range(count), key=lambda i, row=theirs: row[i]))
        total -= math.log(probability(ours, order, alpha, beta))
    found = hard_darkrank(student, teacher, alpha, beta)
    assert found.item() == pytest.approx(total / 3, rel=1e-12)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize(("alpha", "beta"), [(3.0, 3.0), (1.0, 1.0)])
def test_soft_darkrank_by_hand(count: int, alpha: float, beta: float) -> None:
    student, teacher = lists(count)
    total = 0.0
    for ours, theirs in zip(student.tolist(), teacher.tolist(), strict=True):
        for order in permutations(range(count)):
            wanted = probability(theirs, order, alpha, beta)
            total += wanted * math.log(wanted / probability(ours, order, alpha, beta))
    found = soft_darkrank(student, teacher, alpha, beta)
    assert found.item() == pytest.approx(total / 3, rel=1e-10)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 5), seed=st.integers(0, 1000), scale=st.floats(0.01, 50))
def test_the_probabilities_of_all_rankings_sum_to_one(count: int, seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = scale * torch.randn(count, generator=generator, dtype=torch.float64)
    rankings = torch.tensor(list(permutations(range(count))))
    assert log_likelihood(scores[rankings]).exp().sum().item() == pytest.approx(1, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_soft_loss_is_least_at_the_teacher(seed: int) -> None:
    student, teacher = lists(4, seed)
    assert soft_darkrank(student, teacher).item() >= 0
    assert soft_darkrank(teacher, teacher).item() == pytest.approx(0, abs=1e-12)


def test_hard_darkrank_prefers_the_teachers_order() -> None:
    teacher = torch.tensor([[0.2, 0.9, 0.5]])
    right, wrong = torch.tensor([[0.1, 1.2, 0.6]]), torch.tensor([[0.6, 0.1, 1.2]])
    assert hard_darkrank(right, teacher) < hard_darkrank(wrong, teacher)
    torch.testing.assert_close(hard_darkrank(right, teacher), hard_darkrank(right, teacher**2))


@pytest.mark.parametrize("loss", [hard_darkrank, soft_darkrank])
def test_gradients(loss: object) -> None:
    student, teacher = lists(4)
    assert callable(loss)
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), (student.requires_grad_(),))


@pytest.mark.parametrize("loss", [hard_darkrank, soft_darkrank])
def test_the_teacher_gets_no_gradient(loss: object) -> None:
    student, teacher = lists(4)
    assert callable(loss)
    found = loss(student.requires_grad_(), teacher.requires_grad_())
    assert torch.autograd.grad(found, teacher, allow_unused=True) == (None,)


@pytest.mark.parametrize("loss", [hard_darkrank, soft_darkrank])
def test_far_apart_scores_and_zero_distances_stay_finite(loss: object) -> None:
    student = torch.tensor([[0.0, 8.0, 12.0]], requires_grad=True)
    assert callable(loss)
    found = loss(student, torch.tensor([[12.0, 8.0, 0.0]]))
    found.backward()
    assert found.isfinite()
    assert student.grad is not None
    assert student.grad.isfinite().all()
    # the first place costs 3 * 12^3, the second 3 * 8^3, the third nothing
    assert hard_darkrank(student, torch.tensor([[12.0, 8.0, 0.0]])).item() == pytest.approx(
        3 * 12**3 + 3 * 8**3
    )


def test_half_precision_is_computed_in_float32() -> None:
    student, teacher = (values.bfloat16() for values in lists(4))
    for loss in (hard_darkrank, soft_darkrank):
        assert loss(student, teacher).dtype == torch.float32


def test_nearest_candidates_leave_the_query_out() -> None:
    distances = torch.tensor([[0.0, 0.3, 0.1, 0.2], [0.3, 0, 0.4, 0.0], [9, 8, 0, 7], [1, 2, 3, 0]])
    columns = nearest_candidates(distances, 2)
    assert columns.tolist() == [[2, 3], [3, 0], [3, 1], [0, 1]]
    assert distances.gather(1, columns)[0].tolist() == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize("count", [0, 4])
def test_more_candidates_than_images_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} of 3 other images"):
        nearest_candidates(torch.rand(4, 4), count)


@pytest.mark.parametrize("loss", [hard_darkrank, soft_darkrank])
@pytest.mark.parametrize(
    ("student", "teacher", "options", "message"),
    [
        ((2, 3), (2, 4), {}, r"\(2, 3\) and \(2, 4\)"),
        ((2, 1), (2, 1), {}, "two or more candidates"),
        ((4,), (4,), {}, r"\(4,\)"),
        ((2, 3), (2, 3), {"alpha": 0.0}, "alpha 0.0 must be positive"),
        ((2, 3), (2, 3), {"beta": 0.5}, "beta 0.5 at least 1"),
    ],
)
def test_bad_lists_are_refused(
    loss: object,
    student: tuple[int, ...],
    teacher: tuple[int, ...],
    options: dict[str, float],
    message: str,
) -> None:
    assert callable(loss)
    with pytest.raises(ValueError, match=message):
        loss(torch.rand(student), torch.rand(teacher), **options)


def test_long_lists_are_for_the_hard_form_only() -> None:
    student, teacher = lists(7)
    with pytest.raises(ValueError, match="soft_darkrank: 7 candidates"):
        soft_darkrank(student, teacher)
    assert hard_darkrank(student, teacher).isfinite()
    assert soft_darkrank(student[:, :6], teacher[:, :6]).isfinite()
