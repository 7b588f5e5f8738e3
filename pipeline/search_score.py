"""How alike two pictures are: whole body and aligned body parts in one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid.distances import aligned_distance
from reid.embeddings import Embeddings


@dataclass(frozen=True)
class BestPairs:
    """For each of n exemplars its nearest query picture.

    Attributes:
        scores: (n,) float32 in -1..1.
        query_indices: (n,) int64 row of the query.
        similarities: (n,) float32 cosine of the whole-body vectors of that pair, as given.
        part_distances: (n,) float32 aligned part distance of that pair, NaN if unknown.
    """

    scores: NDArray[np.float32]
    query_indices: NDArray[np.int64]
    similarities: NDArray[np.float32]
    part_distances: NDArray[np.float32]


def part_similarity(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn aligned part distances (0..0.76) into the cosines that would cause them, 1..-1.

    The distance of a pair of parts is tanh(x / 2) with x = sqrt(2 - 2 cosine), see
    `reid.distances`; its inverse makes a cosine of it, as the whole body has. Any shape; NaN stays
    NaN.
    """
    x = 2 * np.arctanh(np.minimum(distance, np.float32(0.9999)))
    return np.asarray(np.maximum(1 - x**2 / 2, -1), np.float32)


def combined_score(
    similarity: NDArray[np.float32], distance: NDArray[np.float32], part_weight: float
) -> NDArray[np.float32]:
    """Mix whole-body cosine and part similarity, -1..1; without parts the cosine alone counts.

    Args:
        similarity: cosine, -1..1, any shape.
        distance: aligned part distance of the same shape, NaN if no part is visible in both.
        part_weight: share of the part similarity, 0..1.
    """
    parts = part_similarity(distance)
    mixed = (1 - part_weight) * similarity + part_weight * parts
    return np.where(np.isnan(parts), similarity, mixed).astype(np.float32)


def best_pairs(
    similarity: NDArray[np.float32],
    query: Embeddings,
    query_owners: Sequence[str],
    parts: tuple[NDArray[np.float32], NDArray[np.float32]],
    owners: Sequence[str],
    part_weight: float,
) -> BestPairs:
    """Compare every exemplar with every picture of the query and keep the best pair.

    Args:
        similarity: (Q, n) cosines of the whole-body vectors.
        query: Q pictures, of which the parts are compared.
        query_owners: tracklet of each query picture; empty if they come from none. An exemplar
            is not compared with its own tracklet, unless the query has no other.
        parts: the exemplars' part vectors (n, P, d) and visibility (n, P).
        owners: n tracklets.
        part_weight: see `combined_score`.
    """
    distance = aligned_distance(query.part_features, parts[0], query.part_visibility, parts[1])
    scores = combined_score(similarity, distance, part_weight)
    allowed = scores
    if query_owners:
        own = np.array(query_owners)[:, None] == np.array(owners)[None, :]
        alone = own.all(axis=0)
        allowed = np.where(own & ~alone, np.float32(-2), scores)
    best = allowed.argmax(axis=0)
    column = np.arange(len(owners))
    return BestPairs(scores[best, column], best, similarity[best, column], distance[best, column])
