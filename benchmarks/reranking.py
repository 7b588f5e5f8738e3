"""Time re-ranking at Market-1501's size: seconds, memory and mAP before and after.

    python benchmarks/reranking.py [--dense] [--features FILE.npz] [--out docs/NUMBERS.md] [--json]

`--dense` also runs k-reciprocal encoding with dense N x N NumPy matrices, which takes nearly 9 GB
and half a minute or more, and compares the two results.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.about import About
from benchmarks.job import call
from benchmarks.page import table, write_section

DENSE, SPARSE = "k-reciprocal-numpy", "k-reciprocal"
REPEATS = {"none": 1, DENSE: 0, SPARSE: 5, "manifold": 0}


def main() -> None:
    """Measure every way and print a table, or one JSON object."""
    given = _arguments()
    about = About.now("benchmarks/reranking.py", sys.argv[1:], seed=str(given.seed), page=given.out)
    ways = [way for way in REPEATS if given.dense or way != DENSE]
    with tempfile.TemporaryDirectory(prefix="crosswalk-") as folder:
        files = {way: Path(folder) / f"{way}.npy" for way in ways}
        rows = {way: _measure(way, files[way], given) for way in ways}
        same = _compare(files[DENSE], files[SPARSE]) if given.dense else None
    page = _page(about, rows, same)
    if given.out is not None:
        write_section(given.out, "re-ranking", page)
    result = {"about": about.as_dict(), "ways": rows, "dense_and_sparse": same}
    print(json.dumps(result) if given.json else page)


def _measure(way: str, save: Path, given: argparse.Namespace) -> dict[str, Any]:
    words = ["benchmarks/distance_child.py", way, "--scores", "--save", save, "--seed", given.seed]
    words += ["--queries", given.queries, "--gallery", given.gallery, "--repeats", REPEATS[way]]
    words += ["--features", given.features] if given.features else []
    return call([str(word) for word in words]).data


def _compare(dense: Path, sparse: Path) -> dict[str, float]:
    """Largest difference, and the share of queries whose first 20 are the same in order."""
    one, other = np.load(dense, mmap_mode="r"), np.load(sparse, mmap_mode="r")
    worst, same = 0.0, 0
    for a, b in zip(one, other, strict=True):
        worst = max(worst, float(np.abs(a - b).max()))
        same += int(np.array_equal(a.argsort()[:20], b.argsort()[:20]))
    return {"largest_difference": worst, "same_first_20": same / len(one)}


def _page(about: About, rows: dict[str, Any], same: dict[str, float] | None) -> str:
    lines = [
        (
            way,
            f"{row['seconds']:.2f}",
            f"{row['cpu_seconds']:.2f}",
            f"{row['growth_mb']:.0f}",
            f"{row['output_mb']:.0f}",
            f"{row['scores']['rank1']:.2f}",
            f"{row['scores']['mAP']:.2f}",
        )
        for way, row in rows.items()
    ]
    parts = ["## Re-ranking", about.markdown()]
    parts.append(table(("way", ">s", ">CPU s", ">MB more", ">MB result", ">rank-1", ">mAP"), lines))
    if same is not None:
        faster = rows[DENSE]["seconds"] / rows[SPARSE]["seconds"]
        leaner = rows[DENSE]["growth_mb"] / rows[SPARSE]["growth_mb"]
        parts.append(
            f"k-reciprocal: sparse is {faster:.1f} times as fast as dense NumPy and takes "
            f"{leaner:.1f} times less memory beyond the features; distances differ by at most "
            f"{same['largest_difference']:.1e}, and the first 20 are in the same order for "
            f"{100 * same['same_first_20']:.2f} % of the queries."
        )
    return "\n\n".join(parts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dense", action="store_true", help="measure the dense NumPy way as well")
    parser.add_argument(
        "--features", type=Path, help="an .npz file, see benchmarks/feature_sets.py"
    )
    parser.add_argument("--queries", type=int, default=3_368)
    parser.add_argument("--gallery", type=int, default=15_913)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="page to write the section into")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
