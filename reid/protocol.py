"""The single-query protocol.

CMC and mAP (Zheng et al., ICCV 2015) and mINP (Ye et al., TPAMI 2021).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid.errors import ReidError

_NO_ANSWER = "no query has a right answer in the gallery: its identity in another camera"


@dataclass(frozen=True)
class RankingScores:
    """Scores in percent.

    Attributes:
        cmc: (R,) share of queries with a right answer among the first 1..R.
        mean_ap: mean average precision. mean_inp: mean inverse negative penalty.
        queries: how many queries had at least one right answer in the gallery.
    """

    cmc: NDArray[np.float64]
    mean_ap: float
    mean_inp: float
    queries: int

    def as_dict(self) -> dict[str, float]:
        """Rank-1/5/10, mAP, mINP and the number of queries."""
        ranks = {f"rank{k}": float(self.cmc[k - 1]) for k in (1, 5, 10) if k <= len(self.cmc)}
        return ranks | {"mAP": self.mean_ap, "mINP": self.mean_inp, "queries": self.queries}


def check_answers(
    query_identities: NDArray[np.int64],
    gallery_identities: NDArray[np.int64],
    query_cameras: NDArray[np.int64],
    gallery_cameras: NDArray[np.int64],
) -> None:
    """Refuse labels that `evaluate_ranking` cannot score, before anything is embedded.

    Raises:
        ReidError: no query has a right answer: its identity in another camera.
    """
    seen: defaultdict[int, set[int]] = defaultdict(set)
    for identity, camera in zip(gallery_identities.tolist(), gallery_cameras.tolist(), strict=True):
        seen[identity].add(camera)
    queries = zip(query_identities.tolist(), query_cameras.tolist(), strict=True)
    if not any(seen[identity] - {camera} for identity, camera in queries):
        raise ReidError(_NO_ANSWER)


def evaluate_ranking(
    distances: NDArray[np.floating],
    query_identities: NDArray[np.int64],
    gallery_identities: NDArray[np.int64],
    query_cameras: NDArray[np.int64],
    gallery_cameras: NDArray[np.int64],
    max_rank: int = 20,
) -> RankingScores:
    """Score a (Q, G) distance matrix; smaller is more alike.

    Gallery images of the query's identity in the query's camera are junk. Average precision
    is the mean of the precision at each right answer. A query without a right answer in the
    gallery does not count.

    Raises:
        ReidError: no query has a right answer. ValueError: the shapes do not fit.
    """
    if distances.shape != (len(query_identities), len(gallery_identities)):
        raise ValueError(f"distances {distances.shape} do not fit the labels")
    max_rank = min(max_rank, len(gallery_identities))
    hits = np.zeros(max_rank)
    precisions, penalties = [], []
    for row, line in enumerate(distances):
        order = np.argsort(line, kind="stable")
        same = gallery_identities[order] == query_identities[row]
        junk = same & (gallery_cameras[order] == query_cameras[row])
        right = np.flatnonzero(same[~junk])
        if not len(right):
            continue
        if right[0] < max_rank:
            hits[right[0] :] += 1
        found = np.arange(1, len(right) + 1)
        precisions.append(float(np.mean(found / (right + 1))))
        penalties.append(len(right) / (right[-1] + 1))
    if not precisions:
        raise ReidError(_NO_ANSWER)
    count = len(precisions)
    return RankingScores(
        100 * hits / count, 100 * float(np.mean(precisions)), 100 * float(np.mean(penalties)), count
    )
