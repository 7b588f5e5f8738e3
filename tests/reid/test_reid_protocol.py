"""CMC, mAP and mINP: cases worked out by hand, and a slow reference on random data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid.errors import ReidError
from reid.protocol import RankingScores, check_answers, evaluate_ranking


def score(
    distances: list[list[float]],
    query: list[tuple[int, int]],
    gallery: list[tuple[int, int]],
    max_rank: int = 20,
) -> RankingScores:
    """Score lists of (identity, camera)."""
    (qi, qc), (gi, gc) = np.array(query).T, np.array(gallery).T
    return evaluate_ranking(np.array(distances), qi, gi, qc, gc, max_rank)


@pytest.mark.parametrize(
    ("line", "gallery", "cmc", "mean_ap", "mean_inp"),
    [
        pytest.param(
            [0.1, 0.2, 0.3], [(1, 2), (2, 2), (3, 2)], [100, 100, 100], 100, 100, id="first"
        ),
        pytest.param(
            [0.3, 0.2, 0.1], [(1, 2), (2, 2), (3, 2)], [0, 0, 100], 100 / 3, 100 / 3, id="last"
        ),
        pytest.param(
            [0.1, 0.2, 0.3, 0.4],
            [(1, 2), (2, 2), (1, 3), (3, 2)],
            [100, 100, 100, 100],
            100 * (1 + 2 / 3) / 2,
            100 * 2 / 3,
            id="first and third",
        ),
        pytest.param(
            [0.1, 0.2, 0.3], [(1, 1), (2, 2), (1, 2)], [0, 100, 100], 50, 50, id="junk is skipped"
        ),
        pytest.param(
            [0.1, 0.2, 0.3],
            [(2, 1), (1, 2), (3, 2)],
            [0, 100, 100],
            50,
            50,
            id="others in the same camera count",
        ),
        pytest.param(
            [0.1, 0.2], [(0, 2), (1, 2)], [0, 100], 50, 50, id="a distractor is a wrong answer"
        ),
        pytest.param(
            [float("nan"), 0.2], [(1, 2), (2, 2)], [0, 100], 50, 50, id="unknown comes last"
        ),
    ],
)
def test_by_hand(
    line: list[float],
    gallery: list[tuple[int, int]],
    cmc: list[float],
    mean_ap: float,
    mean_inp: float,
) -> None:
    found = score([line], [(1, 1)], gallery)
    assert found.cmc.tolist() == pytest.approx(cmc)
    assert found.mean_ap == pytest.approx(mean_ap)
    assert found.mean_inp == pytest.approx(mean_inp)
    assert found.queries == 1


def test_a_query_without_a_right_answer_does_not_count() -> None:
    found = score([[0.1, 0.2], [0.2, 0.1]], [(1, 1), (9, 1)], [(1, 2), (2, 2)])
    assert found.queries == 1
    assert found.mean_ap == 100


def test_only_junk_answers_do_not_count_either() -> None:
    with pytest.raises(ReidError, match="no query has a right answer"):
        score([[0.1, 0.2]], [(1, 1)], [(1, 1), (2, 2)])


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2)), min_size=2, max_size=6))
def test_what_cannot_be_scored_is_known_before(labels: list[tuple[int, int]]) -> None:
    query, gallery = labels[:1], labels[1:]
    (qi, qc), (gi, gc) = np.array(query).T, np.array(gallery).T
    try:
        score([[0.0] * len(gallery)], query, gallery)
    except ReidError as error:
        with pytest.raises(ReidError, match=str(error)):
            check_answers(qi, gi, qc, gc)
    else:
        check_answers(qi, gi, qc, gc)


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        score([[0.1]], [(1, 1)], [(1, 2), (2, 2)])


def test_as_dict_has_the_ranks_that_exist() -> None:
    small = score([[0.1, 0.2]], [(1, 1)], [(1, 2), (2, 2)]).as_dict()
    assert set(small) == {"rank1", "mAP", "mINP", "queries"}
    large = score([[0.1] * 12], [(1, 1)], [(1, 2)] * 12).as_dict()
    assert large == {
        "rank1": 100, "rank5": 100, "rank10": 100, "mAP": 100, "mINP": 100, "queries": 1
    }  # fmt: skip


def reference(
    distances: list[list[float]], query: list[tuple[int, int]], gallery: list[tuple[int, int]]
) -> tuple[list[float], float, float]:
    """Count, for each right answer, who stands before it."""
    cmc, precisions, penalties, valid = [0.0] * len(gallery), [], [], 0
    for line, (identity, camera) in zip(distances, query, strict=True):
        kept = [k for k, g in enumerate(gallery) if g != (identity, camera)]
        right = [k for k in kept if gallery[k][0] == identity]
        if not right:
            continue
        valid += 1
        ranks = sorted(1 + sum(line[o] < line[k] for o in kept) for k in right)
        precisions.append(sum((n + 1) / rank for n, rank in enumerate(ranks)) / len(ranks))
        penalties.append(len(ranks) / ranks[-1])
        for place in range(ranks[0] - 1, len(gallery)):
            cmc[place] += 1
    count = max(valid, 1)
    means = (100 * sum(values) / count for values in (precisions, penalties))
    return [100 * value / count for value in cmc], *means


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 6),
    images=st.integers(1, 25),
    identities=st.integers(1, 5),
)
def test_against_counting(seed: int, queries: int, images: int, identities: int) -> None:
    rng = np.random.default_rng(seed)
    query = [(int(i) + 1, int(c)) for i, c in rng.integers(0, [identities, 3], (queries, 2))]
    gallery = [(int(i), int(c)) for i, c in rng.integers(0, [identities + 1, 3], (images, 2))]
    distances = rng.permutation(queries * images).reshape(queries, images).astype(float).tolist()
    cmc, mean_ap, mean_inp = reference(distances, query, gallery)
    if not any(cmc):
        with pytest.raises(ReidError):
            score(distances, query, gallery, images)
        return
    found = score(distances, query, gallery, images)
    assert found.cmc.tolist() == pytest.approx(cmc)
    assert found.mean_ap == pytest.approx(mean_ap)
    assert found.mean_inp == pytest.approx(mean_inp)
