"""DarkRank: the student learns the order in which the teacher ranks the other images.

Around each query the n candidates have scores S = -alpha d^beta, and a ranking pi has the
Plackett-Luce probability prod_i exp S(pi_i) / sum_k>=i exp S(pi_k).

Source: Chen et al., "DarkRank: Accelerating Deep Metric Learning via Cross Sample Similarities
Transfer", arXiv:1707.01220.
"""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor

from reid.precision import at_least_float32

LONGEST_SOFT_LIST = 6
"""The soft form sums over n! rankings: 720 for 6 candidates, 5040 for 7."""


def hard_darkrank(
    student: Tensor, teacher: Tensor, alpha: float = 3.0, beta: float = 3.0
) -> Tensor:
    """Mean over the queries of -log P(pi_t | student), pi_t the teacher's order, nearest first.

    Args:
        student, teacher: (Q, n) distances of the same candidates to the same queries.
        alpha, beta: sharpen the probabilities; beta at least 1, larger looks at the far
            candidates more.

    Raises:
        ValueError: shapes differ, fewer than two candidates, alpha not positive, beta below 1.
    """
    _check(student, teacher, alpha, beta)
    order = teacher.argsort(dim=1, stable=True)
    return -log_likelihood(_scores(student, alpha, beta).gather(1, order)).mean()


def soft_darkrank(
    student: Tensor, teacher: Tensor, alpha: float = 3.0, beta: float = 3.0
) -> Tensor:
    """Mean over the queries of KL(P(. | teacher) || P(. | student)) over all n! rankings.

    Args:
        student, teacher: (Q, n) distances of the same candidates to the same queries, n up to 6;
            the teacher's are constants.
        alpha, beta: see `hard_darkrank`.

    Raises:
        ValueError: as `hard_darkrank`, or more than 6 candidates.
    """
    _check(student, teacher, alpha, beta)
    count = student.shape[1]
    if count > LONGEST_SOFT_LIST:
        raise ValueError(
            f"soft_darkrank: {count} candidates have too many rankings; take at most "
            f"{LONGEST_SOFT_LIST}, or hard_darkrank"
        )
    rankings = torch.tensor(list(permutations(range(count))), device=student.device)  # (n!, n)
    wanted = log_likelihood(_scores(teacher.detach(), alpha, beta)[:, rankings])
    found = log_likelihood(_scores(student, alpha, beta)[:, rankings])
    return (wanted.exp() * (wanted - found)).sum(1).mean()


def log_likelihood(scores: Tensor) -> Tensor:
    """Plackett-Luce log probability of the order as given: (..., n) scores -> (...)."""
    remaining = scores.flip(-1).logcumsumexp(-1).flip(-1)
    return (scores - remaining).sum(-1)


def nearest_candidates(teacher: Tensor, count: int) -> Tensor:
    """Columns of each row's `count` nearest others: (B, B) -> (B, count), for `Tensor.gather`.

    Raises:
        ValueError: the batch has no `count` others.
    """
    if not 0 < count < len(teacher):
        raise ValueError(f"nearest_candidates: {count} of {len(teacher) - 1} other images")
    itself = torch.eye(len(teacher), dtype=torch.bool, device=teacher.device)
    return teacher.detach().masked_fill(itself, float("inf")).argsort(1)[:, :count]


def _scores(distances: Tensor, alpha: float, beta: float) -> Tensor:
    return -alpha * at_least_float32(distances).pow(beta)


def _check(student: Tensor, teacher: Tensor, alpha: float, beta: float) -> None:
    if student.shape != teacher.shape or student.dim() != 2 or student.shape[1] < 2:
        raise ValueError(
            f"DarkRank: distances {tuple(student.shape)} and {tuple(teacher.shape)} are not of "
            "the same queries to the same two or more candidates"
        )
    if alpha <= 0 or beta < 1:
        raise ValueError(f"DarkRank: alpha {alpha} must be positive and beta {beta} at least 1")
