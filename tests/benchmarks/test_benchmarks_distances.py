"""The plain NumPy ways give what ours give, so that their times may be compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.about import ROOT
from benchmarks.feature_sets import load, synthetic
from benchmarks.numpy_references import aligned_numpy, k_reciprocal_numpy
from reid.distances import aligned_distance
from reid.protocol import evaluate_ranking
from reid.rerank.k_reciprocal import k_reciprocal_distances


def test_the_plain_ways_equal_ours() -> None:
    query, gallery = synthetic(20, 150, seed=1, parts=(4, 16))
    np.testing.assert_allclose(
        aligned_numpy(query.parts, gallery.parts),
        aligned_distance(query.parts, gallery.parts),
        atol=1e-6,
    )
    for k1, k2 in ((20, 6), (7, 1)):
        np.testing.assert_allclose(
            k_reciprocal_numpy(query.whole, gallery.whole, k1, k2),
            k_reciprocal_distances(query.whole, gallery.whole, k1, k2),
            atol=1e-5,
        )


def test_synthetic_pictures_are_neither_hopeless_nor_solved() -> None:
    query, gallery = synthetic(60, 900, seed=2)
    labels = query.identities, gallery.identities, query.cameras, gallery.cameras
    scores = evaluate_ranking(1 - query.whole @ gallery.whole.T, *labels)
    assert 30 < scores.mean_ap < 98
    np.testing.assert_allclose(np.linalg.norm(query.parts, axis=2), 1, atol=1e-5)
    again = synthetic(60, 900, seed=2)[1]
    np.testing.assert_array_equal(again.parts, gallery.parts)


def test_a_child_reports_time_memory_and_scores_of_a_file(tmp_path: Path) -> None:
    sets = dict(zip(("query", "gallery"), synthetic(5, 60, seed=3, parts=(4, 8)), strict=True))
    names = ("whole", "parts", "identities", "cameras")
    arrays = {f"{s}_{n}": getattr(one, n) for s, one in sets.items() for n in names}
    np.savez(tmp_path / "all.npz", **arrays)
    command = [sys.executable, "benchmarks/distance_child.py", "aligned-float32", "--scores"]
    done = subprocess.run(
        [*command, "--repeats", "2", "--features", str(tmp_path / "all.npz")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    assert result["pairs"] == 300
    assert len(result["all_seconds"]) == 3
    assert result["seconds"] == pytest.approx(min(result["all_seconds"][1:]), abs=1e-4)
    assert result["peak_mb"] > result["inputs_mb"] > 0
    assert result["scores"]["queries"] <= 5


def test_a_file_that_lacks_an_array_ends_the_program(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", query_whole=np.ones((1, 2)))
    with pytest.raises(SystemExit, match=r"some\.npz: there is no query_parts"):
        load(tmp_path / "some.npz")
