"""Scoring folders with an embedder, with and without the parts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from reid_builders import market_folder, unit_rows

from reid.data.market import load_split
from reid.data.source import DataSource
from reid.describe import embed_files
from reid.distances import aligned_distance, cosine_distance
from reid.embeddings import Embeddings
from reid.errors import ReidError
from reid.evaluate import combined_distance, evaluate_folder


class MeanColour:
    """Global feature: mean colour of the crop; parts: mean colours of its two halves."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        self.batches.append(len(crops_bgr))
        whole = np.array([crop.mean((0, 1)) - 127 for crop in crops_bgr], np.float32)
        half = [np.array_split(crop, 2) for crop in crops_bgr]
        parts = np.array([[p.mean((0, 1)) - 127 for p in one] for one in half], np.float32)
        return Embeddings(
            whole / np.linalg.norm(whole, axis=1, keepdims=True),
            parts / np.linalg.norm(parts, axis=2, keepdims=True),
            np.ones((len(crops_bgr), 2), np.float32),
            "mean colour",
        )


def embeddings(rng: np.random.Generator, count: int, *, hide: bool = False) -> Embeddings:
    seen = np.ones((count, 4), np.float32)
    if hide:
        seen[::2] = 0
    return Embeddings(unit_rows(rng, count, 8), unit_rows(rng, count, 4, 6), seen, "x")


@pytest.mark.parametrize("distance", ["global", "aligned"])
def test_a_folder_of_easy_people(tmp_path: Path, distance: str) -> None:
    done: list[int] = []
    totals: list[int] = []

    def on_start(total: int):  # type: ignore[no-untyped-def]
        totals.append(total)
        return done.append

    root = market_folder(tmp_path)
    found = evaluate_folder(
        MeanColour(),
        DataSource("market1501", root),
        "aligned" if distance == "aligned" else "global",
        on_start,
    )
    assert found.queries == 10
    assert found.cmc[0] == 100
    assert found.mean_ap > 95
    assert totals == [30]
    assert done[-1] == 30


def test_files_are_embedded_in_order_and_in_batches(tmp_path: Path) -> None:
    paths = load_split(market_folder(tmp_path, 6), "train").paths * 3
    embedder = MeanColour()
    found = embed_files(embedder, paths)
    assert embedder.batches == [64, 8]
    assert len(found) == 72
    np.testing.assert_array_equal(found.global_features[:24], found.global_features[24:48])
    assert found.fingerprint == "mean colour"


def test_combined_by_hand() -> None:
    rng = np.random.default_rng(0)
    query, gallery = embeddings(rng, 3), embeddings(rng, 9)
    cosine = cosine_distance(query.global_features, gallery.global_features)
    parts = aligned_distance(query.part_features, gallery.part_features)
    found = combined_distance(query, gallery, weight=0.4, best=4)
    for row in range(3):
        near = set(np.argsort(cosine[row])[:4])
        for column in range(9):
            if column in near:
                expected = 0.6 * cosine[row, column] + 0.4 * parts[row, column] / math.tanh(1)
            else:
                expected = cosine[row, column] + 2
            assert found[row, column] == pytest.approx(expected, abs=1e-5)


def test_the_rest_keeps_its_order_behind_the_best() -> None:
    rng = np.random.default_rng(1)
    query, gallery = embeddings(rng, 5), embeddings(rng, 40)
    cosine = cosine_distance(query.global_features, gallery.global_features)
    found = combined_distance(query, gallery, best=10)
    for row in range(5):
        before, after = np.argsort(cosine[row]), np.argsort(found[row])
        assert set(before[:10]) == set(after[:10])
        np.testing.assert_array_equal(before[10:], after[10:])


def test_without_a_shared_part_the_cosine_decides() -> None:
    rng = np.random.default_rng(2)
    query, gallery = embeddings(rng, 2), embeddings(rng, 6, hide=True)
    found = combined_distance(query, gallery)
    cosine = cosine_distance(query.global_features, gallery.global_features)
    np.testing.assert_allclose(found[:, ::2], cosine[:, ::2], atol=1e-6)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("best", [1, 6, 500])
def test_any_number_of_best(best: int) -> None:
    rng = np.random.default_rng(3)
    found = combined_distance(embeddings(rng, 2), embeddings(rng, 6), best=best)
    assert int((found < 2).sum()) == 2 * min(best, 6)


def test_no_right_answer(tmp_path: Path) -> None:
    root = market_folder(tmp_path, 2)
    for path in (root / "bounding_box_test").iterdir():
        path.rename(
            path.with_name("0" + path.name[1:].replace("001_", "901_").replace("002_", "902_"))
        )
    embedder = MeanColour()
    with pytest.raises(ReidError, match="no query has a right answer"):
        evaluate_folder(embedder, DataSource("market1501", root))
    assert embedder.batches == [], "said before anything is embedded"
