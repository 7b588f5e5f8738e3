"""Fit LOMO + XQDA on a data set's training split and score it by the single-query protocol.

    python benchmarks/lomo_xqda.py market1501=FOLDER_OR_ZIP [--components 1000]
        [--regulariser 0.001] [--seed 0] [--save FILE]

Prints one JSON object. Runs on the CPU, on as many cores as OMP_NUM_THREADS allows.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.about import About
from reid.classical.system import LomoFeatures, LomoXqda
from reid.classical.xqda import REGULARISER
from reid.data.crops import Crops, Split
from reid.data.market import read_image_bgr, read_images
from reid.data.source import DataSource, data_folder, load_split, parse_data
from reid.errors import ReidError
from reid.protocol import evaluate_ranking

log = logging.getLogger(__name__)
_AT_ONCE = 512
_SPLITS: tuple[Split, ...] = ("train", "query", "gallery")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 2 after one line on standard error for bad input."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = _arguments(words)
    about = About.now("benchmarks/lomo_xqda.py", words, seed=str(given.seed), page=None)
    try:
        with data_folder(parse_data(given.data)) as source:
            result = measure(source, given.components, given.regulariser, given.seed, given.save)
    except (ReidError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps({"about": about.as_dict()} | result))
    return 0


def measure(
    source: DataSource, components: int, regulariser: float, seed: int, save: Path | None = None
) -> dict[str, Any]:
    """Fit on the training split, rank the gallery for each query: scores, seconds, memory.

    Raises:
        ReidError: the folder has not the layout, or nothing can be learnt from it.
    """
    splits = {name: load_split(source, name) for name in _SPLITS}
    train = splits["train"]
    images = read_images(train.paths, 128, 64)
    start = time.monotonic()
    system = LomoXqda.fit(
        images,
        train.identities,
        train.cameras,
        components=components,
        regulariser=regulariser,
        seed=seed,
        on_done=lambda done: _tell("described", done, len(images)),
    )
    fit_s = time.monotonic() - start
    if save is not None:
        system.save(save)
    start = time.monotonic()
    query, gallery = (_embed(system, splits[name]) for name in ("query", "gallery"))
    embed_s = time.monotonic() - start
    scores = evaluate_ranking(
        system.distances(query, gallery),
        splits["query"].identities,
        splits["gallery"].identities,
        splits["query"].cameras,
        splits["gallery"].cameras,
    )
    return {
        "scores": scores.as_dict(),
        "dimensions": len(system.offset),
        "fingerprint": system.fingerprint,
        "pictures": {name: len(split) for name, split in splits.items()},
        "fit_s": round(fit_s, 1),
        "embed_ms_per_picture": round(1000 * embed_s / (len(query) + len(gallery)), 2),
        "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def _embed(system: LomoXqda, crops: Crops) -> LomoFeatures:
    """Embed image files, 512 in memory at a time; reading them is part of the time."""
    chunks = []
    for start in range(0, len(crops), _AT_ONCE):
        paths = crops.paths[start : start + _AT_ONCE]
        chunks.append(system.embed([read_image_bgr(path) for path in paths]).features)
        _tell("embedded", start + len(paths), len(crops))
    return LomoFeatures(np.concatenate(chunks), system.fingerprint)


def _tell(what: str, done: int, total: int) -> None:
    if done % 2048 == 0 or done == total:
        log.info("%s %d of %d", what, done, total)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", help="market1501=FOLDER_OR_ZIP")
    parser.add_argument("--components", type=int, default=1000)
    parser.add_argument("--regulariser", type=float, default=REGULARISER)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, help="write the fitted system here")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
