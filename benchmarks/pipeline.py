"""Speed of the whole path on three real cameras, and where the time goes, beside Ultralytics.

    python benchmarks/pipeline.py [--shared ../shared] [--repeats 3] [--out docs/NUMBERS.md]

Ultralytics' `track` with BoT-SORT runs the same detector weights on the same files in the same
run; it follows people inside each camera and neither embeds, stores nor joins them. The programs
take turns, and every repeat swaps their order.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.about import About
from benchmarks.job import call, run_main_job
from benchmarks.page import write_section
from benchmarks.pipeline_page import ALL_FRAMES, OURS, THEIRS, markdown, order_of, summary
from benchmarks.sources import (
    CONFIG,
    changed,
    first_frames,
    read_settings,
    recordings_of,
    write_settings,
)

SEED = "none; the run draws no random numbers"


def main() -> None:
    """Measure, print, and write the page's section if asked to."""
    given = _arguments()
    about = About.now("benchmarks/pipeline.py", sys.argv[1:], seed=SEED, page=given.out)
    with tempfile.TemporaryDirectory(prefix="crosswalk-") as folder:
        runs = _measure(given, Path(folder))
    result = {
        "about": about.as_dict(),
        "first_frames_only": given.frames,
        **summary(runs),
    }
    page = markdown(about, result, given.frames)
    if given.out is not None:
        write_section(given.out, "pipeline", page)
    print(json.dumps(result) if given.json else page)


def _measure(given: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """All runs by program, in the order in which they were made."""
    settings = read_settings(given.config, recordings_of(given.shared))
    if given.frames is not None:
        settings = first_frames(settings, given.frames, folder)
    every = changed(settings, {"detector": {"detect_fps": None, "skip_empty": False}})
    sources = {
        OURS: write_settings(settings, folder / "ours.yaml"),
        THEIRS: write_settings(settings, folder / "theirs.yaml"),
    }
    if given.every_frame:
        sources[ALL_FRAMES] = write_settings(every, folder / "every.yaml")
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in sources}
    for repeat in range(given.repeats):
        for name in order_of(list(sources), repeat):
            print(f"pipeline: repeat {repeat + 1}, {name} ...", file=sys.stderr, flush=True)
            store = folder / f"store-{repeat}-{len(runs[name])}-{list(sources).index(name)}"
            run = _theirs(sources[name]) if name == THEIRS else _ours(sources[name], store)
            runs[name].append(run)
    _check_same_frames(runs)
    return runs


def _ours(sources: Path, store: Path) -> dict[str, Any]:
    cost = run_main_job(sources, store)
    return {**asdict(cost), "flow_frames": cost.frames}


def _theirs(sources: Path) -> dict[str, Any]:
    done = call(["benchmarks/ultralytics_track.py", sources])
    return {**done.data, "wall_s": done.wall_s, "cpu_s": done.cpu_s}


def _check_same_frames(runs: dict[str, list[dict[str, Any]]]) -> None:
    """End the program if the programs did not read the same frames."""
    counts = {name: {run["frames"] for run in done} for name, done in runs.items()}
    if len(set().union(*counts.values())) != 1:
        raise SystemExit(f"the programs read different numbers of frames: {counts}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder of the data")
    parser.add_argument("--config", type=Path, default=CONFIG, help="what to run")
    parser.add_argument("--frames", type=int, help="only so many first frames of each camera")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each; the median counts")
    parser.add_argument(
        "--every-frame", action="store_true", help="run ours without skipping detections as well"
    )
    parser.add_argument("--out", type=Path, help="page to write the section into")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
