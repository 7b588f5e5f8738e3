"""Time one distance in a process of its own and say what memory it took.

    python benchmarks/distance_child.py WAY --queries 200 --gallery 20000 --repeats 5 --seed 0

WAY is a key of `WAYS`. One call warms up, so many more are timed and the best counts; with 0
repeats the only call is timed. Processor seconds, of all threads, vary less than seconds where
other programs run beside it. The scores of the ranking follow when `--scores` is given.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import reid.aligned_blocks  # noqa: F401  (its import is not to be counted)
from benchmarks.feature_sets import Pictures, load, synthetic
from benchmarks.numpy_references import aligned_numpy, k_reciprocal_numpy
from reid.distances import aligned_distance, cosine_distance
from reid.protocol import evaluate_ranking
from reid.rerank.k_reciprocal import k_reciprocal_distances
from reid.rerank.manifold import smoothed_manifold_distances

Way = Callable[[Pictures, Pictures], NDArray[np.float32]]
WAYS: dict[str, Way] = {
    "aligned-numpy": lambda q, g: aligned_numpy(q.parts, g.parts),
    "aligned-float32": lambda q, g: aligned_distance(q.parts, g.parts),
    "aligned-bfloat16": lambda q, g: aligned_distance(q.parts, g.parts, precision="bfloat16"),
    "aligned-free-ends": lambda q, g: aligned_distance(q.parts, g.parts, free_ends=True),
    "none": lambda q, g: cosine_distance(q.whole, g.whole),
    "k-reciprocal-numpy": lambda q, g: k_reciprocal_numpy(q.whole, g.whole),
    "k-reciprocal": lambda q, g: k_reciprocal_distances(q.whole, g.whole),
    "manifold": lambda q, g: smoothed_manifold_distances(q.whole, g.whole),
}


def main() -> None:
    """Print one JSON object."""
    given = _arguments()
    if given.features:
        query, gallery = load(given.features)
    else:
        query, gallery = synthetic(given.queries, given.gallery, given.seed)
    before_mb = _resident_mb()
    way = WAYS[given.way]
    seconds, cpu_seconds = [], []
    distances = np.empty(0, np.float32)
    for _ in range(given.repeats + 1):
        distances = distances[:0].copy()  # the result before is not to count as memory
        start, cpu_start = time.perf_counter(), time.process_time()
        distances = way(query, gallery)
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result: dict[str, Any] = {
        "seconds": min(seconds[1:] or seconds),
        "cpu_seconds": min(cpu_seconds[1:] or cpu_seconds),
        "all_seconds": [round(one, 4) for one in seconds],
        "inputs_mb": round(before_mb, 1),
        "peak_mb": round(peak_mb, 1),
        "growth_mb": round(peak_mb - before_mb, 1),
        "output_mb": round(distances.nbytes / 2**20, 1),
        "pairs": distances.size,
    }
    if given.scores:
        labels = query.identities, gallery.identities, query.cameras, gallery.cameras
        result["scores"] = evaluate_ranking(distances, *labels).as_dict()
    if given.save:
        np.save(given.save, distances)
    print(json.dumps(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--gallery", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--features", type=Path, help="an .npz file, see benchmarks/feature_sets.py"
    )
    parser.add_argument("--scores", action="store_true")
    parser.add_argument("--save", type=Path, help="where to keep the distances, .npy")
    return parser.parse_args()


def _resident_mb() -> float:
    """Memory in use now; pages of libraries that are only mapped do not count."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
