"""Time the aligned part distance beside a plain NumPy recurrence: pairs per second, memory, mAP.

    python benchmarks/aligned_distance.py [--features FILE.npz] [--out docs/NUMBERS.md] [--json]

Sizes are 200 x 20,000 (best of five warm calls) and Market-1501's 3,368 x 15,913 (one call after
a warm-up; the NumPy way once). Each way runs in a process of its own with all of its threads.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.about import About
from benchmarks.job import call
from benchmarks.page import table, write_section

PLAIN = "aligned-numpy"
WAYS = (PLAIN, "aligned-float32", "aligned-bfloat16", "aligned-free-ends")
SIZES = {"200 x 20,000": (200, 20_000, 5), "3,368 x 15,913": (3_368, 15_913, 1)}
FEATURES = "features of a file"


def main() -> None:
    """Measure every way at every size and print a table, or one JSON object."""
    given = _arguments()
    about = About.now(
        "benchmarks/aligned_distance.py", sys.argv[1:], seed=str(given.seed), page=given.out
    )
    rows = {size: {way: _measure(way, size, given) for way in WAYS} for size in _sizes(given)}
    page = _page(about, rows)
    if given.out is not None:
        write_section(given.out, "aligned distance", page)
    print(json.dumps({"about": about.as_dict(), "sizes": rows}) if given.json else page)


def _sizes(given: argparse.Namespace) -> list[str]:
    if given.features:
        return [FEATURES]
    return [size for size in SIZES if not (given.small and size != next(iter(SIZES)))]


def _measure(way: str, size: str, given: argparse.Namespace) -> dict[str, Any]:
    queries, gallery, repeats = SIZES.get(size, (0, 0, 1))
    if repeats == 1 and way == PLAIN:
        repeats = 0
    source = ["--features", str(given.features)] if given.features else []
    words = ["benchmarks/distance_child.py", way, "--scores", "--seed", given.seed, *source]
    return call(
        [str(w) for w in (*words, "--queries", queries, "--gallery", gallery, "--repeats", repeats)]
    ).data


def _page(about: About, rows: dict[str, dict[str, Any]]) -> str:
    lines = []
    for size, ways in rows.items():
        plain = ways[PLAIN]["pairs"] / ways[PLAIN]["seconds"]
        for way, row in ways.items():
            rate = row["pairs"] / row["seconds"]
            lines.append(
                (
                    size,
                    way.removeprefix("aligned-"),
                    f"{row['seconds']:.2f}",
                    f"{row['cpu_seconds']:.2f}",
                    f"{rate / 1e6:.2f}",
                    f"{rate / plain:.1f}",
                    f"{row['growth_mb']:.0f}",
                    f"{row['output_mb']:.0f}",
                    f"{row['scores']['mAP']:.2f}",
                )
            )
    titles = (
        "pairs",
        "way",
        ">s",
        ">CPU s",
        ">M pairs/s",
        ">times NumPy",
        ">MB more",
        ">MB result",
        ">mAP",
    )
    return "\n\n".join(["## Aligned part distance", about.markdown(), table(titles, lines)])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--features", type=Path, help="an .npz file, see benchmarks/feature_sets.py"
    )
    parser.add_argument("--small", action="store_true", help="only 200 x 20,000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="page to write the section into")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
