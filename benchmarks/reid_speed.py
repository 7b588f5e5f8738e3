"""Time the networks of embedders side by side: milliseconds per crop beside a named peer's.

    python benchmarks/reid_speed.py [--weights FILE ...] [--shared ../shared] [--threads 1]
        [--rounds 30] [--out docs/SITES.md] [--json]

All networks are compiled by OpenVINO with the same options and take turns, so that other work on
the machine slows all of them. Without `--weights` the shipped weights and the peers are timed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.about import ROOT, About
from benchmarks.page import table, write_section
from benchmarks.reid_peers import PEERS
from benchmarks.reid_sites import candidates
from benchmarks.site_page import TITLE
from reid.errors import ReidError
from reid.openvino_core import openvino_core
from reid.teacher import read_model

REFERENCE = PEERS[0]
BATCHES = (1, 8)
PRECISIONS = {"f32": "FP32", "bf16": "BF16"}
"""OpenVINO's names of precisions, and what a processor must say that it can do."""
_WARM_UP = 3
Run = Callable[[], Any]


@dataclass(frozen=True)
class Timed:
    """One network at one precision and batch size.

    Attributes:
        name: of the embedder. input_hw: of its pictures. megabytes: 10^6 bytes of its files.
        precision, batch: how it ran.
        ms: per crop, median over the rounds.
        ratio: to the reference's time of the same round, median over the rounds.
    """

    name: str
    input_hw: tuple[int, int]
    megabytes: float
    precision: str
    batch: int
    ms: float
    ratio: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 2 after one line on standard error for bad input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = _arguments(words)
    about = About.now("benchmarks/reid_speed.py", words, seed="0 for the pixels", page=given.out)
    if given.rounds < 1 or given.threads < 1:
        print("--rounds, --threads: must be at least 1", file=sys.stderr)
        return 2
    try:
        reference = given.shared / "weights" / "peers" / REFERENCE.file
        files = {one.name: one.weights for one in candidates(given.weights, given.shared)}
        files |= {one.name: one.weights for one in candidates([reference], given.shared)}
        rows = measure(files, reference.stem, given.threads, given.rounds)
    except (ReidError, RuntimeError) as error:
        print(str(error).strip().splitlines()[-1], file=sys.stderr)
        return 2
    body = report(about, rows, given)
    if given.out is not None:
        write_section(given.out, "cost of the networks", body, TITLE)
    found = {"about": about.as_dict(), "networks": [asdict(row) for row in rows]}
    print(json.dumps(found) if given.json else body)
    return 0


def measure(files: Mapping[str, Path], reference: str, threads: int, rounds: int) -> list[Timed]:
    """Every network at every precision that the processor computes in, and batch size."""
    abilities = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    found = []
    for precision, ability in PRECISIONS.items():
        if ability not in abilities:
            continue
        for batch in BATCHES:
            made = {n: compiled(p, precision, batch, threads) for n, p in files.items()}
            seconds = taken_in_turns({name: run for name, (run, _) in made.items()}, rounds)
            for name, (_, input_hw) in made.items():
                size = megabytes(files[name])
                ms = 1000 * median(seconds[name]) / batch
                ratio = median(
                    own / other
                    for own, other in zip(seconds[name], seconds[reference], strict=True)
                )
                found.append(Timed(name, input_hw, size, precision, batch, ms, ratio))
    return found


def compiled(path: Path, precision: str, batch: int, threads: int) -> tuple[Run, tuple[int, int]]:
    """A call that embeds one batch of noise, and the height and width of its pictures."""
    model = read_model(path)
    shape = model.inputs[0].partial_shape
    height, width = shape[2].get_length(), shape[3].get_length()
    model.reshape([batch, 3, height, width])
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    network = openvino_core().compile_model(model, "CPU", options)
    pixels = np.random.default_rng(0).uniform(0, 255, (batch, 3, height, width))
    images = pixels.astype(np.float32)
    return lambda: network(images), (height, width)


def taken_in_turns(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call of each: one of each per round, after some that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(_WARM_UP + rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if number >= _WARM_UP:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def megabytes(path: Path) -> float:
    """10^6 bytes of a weight file, and of the one that an OpenVINO model keeps beside it."""
    beside = path.with_suffix(".bin")
    files = [path, *([beside] if path.suffix == ".xml" and beside.is_file() else [])]
    return sum(file.stat().st_size for file in files) / 1e6


def report(about: About, rows: Sequence[Timed], given: argparse.Namespace) -> str:
    """The section of the page."""
    columns = ("embedder", "input", ">file, MB", "precision", ">batch", ">ms/crop")
    cells = [
        (
            row.name,
            f"{row.input_hw[0]}x{row.input_hw[1]}",
            f"{row.megabytes:.2f}",
            row.precision,
            str(row.batch),
            f"{row.ms:.2f}",
            f"{row.ratio:.2f}",
        )
        for row in rows
    ]
    return "\n\n".join(
        [
            "## What the networks cost",
            about.markdown(),
            table((*columns, f">by {REFERENCE.name}'s"), cells),
            f"{given.threads} threads; medians of {given.rounds} rounds in which every network has "
            "one turn. One pass of the network alone: without cutting, resizing, and the mirror "
            "image, which the product embeds, too, and adds. Not measured: INT8; other processors.",
        ]
    )


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="default: shipped")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--rounds", type=int, default=30, help="turns of each network")
    parser.add_argument("--out", type=Path, help="page whose section is replaced")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args(words)


if __name__ == "__main__":
    raise SystemExit(main())
