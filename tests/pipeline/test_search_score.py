"""The score's scale, its mixing, and which pair decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search_score import best_pairs, combined_score, part_similarity
from reid.distances import aligned_distance
from reid.embeddings import Embeddings


@given(st.floats(-1, 0.999), st.integers(1, 6))
def test_part_similarity_undoes_the_distance(cosine: float, parts: int) -> None:
    a = np.tile(np.array([1, 0], np.float32), (1, parts, 1))
    b = np.tile(np.array([cosine, np.sqrt(1 - cosine**2)], np.float32), (1, parts, 1))
    assert part_similarity(aligned_distance(a, b))[0, 0] == pytest.approx(cosine, abs=2e-3)


@pytest.mark.parametrize(
    ("similarity", "distance", "weight", "expected"),
    [
        (1.0, 0.0, 0.5, 1.0),
        (0.6, 0.0, 0.5, 0.8),
        (0.6, 0.0, 0.0, 0.6),
        (0.6, np.nan, 0.5, 0.6),
        (-0.5, np.nan, 0.5, -0.5),
        (0.0, np.tanh(np.sqrt(2) / 2), 0.5, 0.0),
    ],
)
def test_combined_score(similarity: float, distance: float, weight: float, expected: float) -> None:
    found = combined_score(np.float32([similarity]), np.float32([distance]), weight)
    assert found[0] == pytest.approx(expected, abs=1e-5)


def _embeddings(angles: list[float]) -> Embeddings:
    rows = np.array([[np.cos(a), np.sin(a)] for a in angles], np.float32)
    return Embeddings(rows, rows[:, None], np.ones((len(rows), 1), np.float32), "f")


def test_the_nearest_query_picture_decides() -> None:
    query, gallery = _embeddings([0.0, 1.0]), _embeddings([0.9, 0.1, 0.0])
    parts = (gallery.part_features, gallery.part_visibility)
    similarity = query.global_features @ gallery.global_features.T
    pairs = best_pairs(similarity, query, (), parts, ["a", "b", "c"], 0.5)
    assert pairs.query_indices.tolist() == [1, 0, 0]
    assert pairs.similarities[2] == pytest.approx(1)


def test_a_tracklet_is_not_compared_with_itself_unless_alone() -> None:
    query, gallery = _embeddings([0.0, 0.5]), _embeddings([0.0, 0.0])
    parts = (gallery.part_features, gallery.part_visibility)
    similarity = query.global_features @ gallery.global_features.T
    mixed = best_pairs(similarity, query, ("a", "b"), parts, ["a", "c"], 0.0)
    assert mixed.query_indices.tolist() == [1, 0]
    assert mixed.scores[0] == pytest.approx(np.cos(0.5))
    alone = best_pairs(similarity, query, ("a", "a"), parts, ["a", "c"], 0.0)
    assert alone.scores[0] == pytest.approx(1)


def test_those_who_look_unlike_keep_their_order() -> None:
    query, gallery = _embeddings([0.0, 0.0]), _embeddings([0.0, 0.0, 0.0])
    hidden = (gallery.part_features, np.zeros((3, 1), np.float32))
    similarity = np.array([[-0.5, -0.3, -0.9], [-0.6, -0.1, -0.8]], np.float32)
    pairs = best_pairs(similarity, query, (), hidden, ["a", "b", "c"], 0.5)
    np.testing.assert_allclose(pairs.scores, [-0.5, -0.1, -0.8])
    assert pairs.query_indices.tolist() == [0, 1, 1]
