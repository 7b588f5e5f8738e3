"""Three real cameras from end to end: identities, search, and what each saving costs.

    python benchmarks/office3.py [--shared ../shared] [--variants all] [--out docs/NUMBERS.md]

Runs the main job on `configs/office3.yaml`, scores it with `python main.py evaluate`, and searches
for every labelled person of two or more cameras with one crop. Each variant is one more run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.about import About
from benchmarks.job import JobCost, call, run_main_job
from benchmarks.office3_page import markdown
from benchmarks.page import write_section
from benchmarks.search_check import SearchCheck, check_search
from benchmarks.sources import (
    CONFIG,
    Settings,
    changed,
    first_frames,
    read_settings,
    recordings_of,
    write_settings,
)
from pipeline.evaluation import read_ground_truth

SHIPPED = "shipped"
_EVERY_FRAME = {"detector": {"detect_fps": None}}
_NO_SKIP = {"detector": {"skip_empty": False}}
_EVERY_BOX = {"embedder": {"mode": "every"}}
VARIANTS: dict[str, Mapping[str, Mapping[str, Any]]] = {
    SHIPPED: {},
    "every-frame": _EVERY_FRAME,
    "no-skip": _NO_SKIP,
    "every-box": _EVERY_BOX,
    "no-savings": {"detector": {"detect_fps": None, "skip_empty": False}, **_EVERY_BOX},
}
SEED = "none; the run draws no random numbers, but which frames share a batch depends on timing"


@dataclass(frozen=True)
class Measured:
    """One run and its scores.

    Attributes:
        settings: its whole configuration.
        cost: what it took.
        scores: what `python main.py evaluate --json` printed.
        search: the search check; None if it was not made on this run.
    """

    settings: Settings
    cost: JobCost
    scores: dict[str, Any]
    search: SearchCheck | None


def main() -> None:
    """Measure, print, and write the page's section if asked to."""
    given = _arguments()
    about = About.now("benchmarks/office3.py", sys.argv[1:], seed=SEED, page=given.out)
    with tempfile.TemporaryDirectory(prefix="crosswalk-") as folder:
        measured = {name: _measure(name, given, Path(folder) / name) for name in given.variants}
    result = {
        "about": about.as_dict(),
        "first_frames_only": given.frames,
        "runs": {name: as_dict(one) for name, one in measured.items()},
    }
    page = markdown(about, result, given.frames)
    if given.out is not None:
        write_section(given.out, "office3", page)
    print(json.dumps(result) if given.json else page)


def as_dict(measured: Measured) -> dict[str, Any]:
    """Plain values for JSON and for the page."""
    detector = measured.settings.get("detector") or {}
    embedder = measured.settings.get("embedder") or {}
    return {
        "detect_fps": detector.get("detect_fps"),
        "skip_empty": detector.get("skip_empty", False),
        "embed": embedder.get("mode", "adaptive"),
        "fps": measured.cost.fps,
        **asdict(measured.cost),
        "cross_camera": measured.scores["cross_camera"],
        "cameras": measured.scores["cameras"],
        "max_frame": measured.scores["max_frame"],
        "search": measured.search.as_dict() if measured.search else None,
    }


def variants_of(text: str) -> list[str]:
    """The runs that `--variants` names, each once, in our order; the shipped one is always there.

    Raises:
        argparse.ArgumentTypeError: there is no such variant.
    """
    named = set(VARIANTS) if text == "all" else {word.strip() for word in text.split(",")}
    unknown = sorted(named - set(VARIANTS))
    if unknown:
        known = ", ".join(VARIANTS)
        raise argparse.ArgumentTypeError(f"no variant {unknown[0]!r}; all, or of {known}")
    return [name for name in VARIANTS if name in named | {SHIPPED}]


def _measure(name: str, given: argparse.Namespace, folder: Path) -> Measured:
    """Run one variant in a new folder; the shipped one is searched too."""
    folder.mkdir()
    recordings = recordings_of(given.shared)
    settings = changed(read_settings(given.config, recordings), VARIANTS[name])
    if given.frames is not None:
        settings = first_frames(settings, given.frames, folder)
    sources, store = write_settings(settings, folder / "cams.yaml"), folder / "store"
    print(f"office3: running {name} ...", file=sys.stderr, flush=True)
    cost = run_main_job(sources, store)
    gt = recordings / "gt"
    labelled = read_ground_truth(gt)
    last = max(int(one.gt.frames.max()) for one in labelled)
    last = last if given.frames is None else min(last, given.frames)
    words = ("evaluate", "--gt", gt, "--max-frame", str(last), "--store", store, "--json")
    scores = call(("main.py", *words)).data
    search = None
    if name == SHIPPED:
        files = {camera["id"]: Path(camera["url"]) for camera in settings["cameras"]}
        search = check_search(store, labelled, files, last)
    return Measured(settings, cost, scores, search)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder of the data")
    parser.add_argument("--config", type=Path, default=CONFIG, help="what to run")
    parser.add_argument("--frames", type=int, help="only so many first frames of each camera")
    parser.add_argument(
        "--variants",
        type=variants_of,
        default=[SHIPPED],
        help=f"all, or some of {', '.join(VARIANTS)}; the shipped one always runs",
    )
    parser.add_argument("--out", type=Path, help="page to write the section into")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args()


if __name__ == "__main__":
    main()
