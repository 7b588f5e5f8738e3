"""Score our tracker presets on labelled sequences, beside BoxMOT's trackers on the same boxes.

    python benchmarks/trackers.py [--peer-python PATH] [--ablate] [--data ../shared/data/mot]
        [--detections det/yolo11n_int8.txt] [--out docs/TRACKERS.md] [--json]

BoxMOT 25 runs in an environment of its own (its Python is PATH; it is no dependency), with its
own ReID model on `--reid`. Embeddings are computed once and kept below `--cache`; after that
everything runs on one core, and Hz are frames per processor second inside the tracker alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.about import ROOT, About
from benchmarks.page import write_section
from benchmarks.tracker_ablation import AblationRow, ablation_table, run_ablations
from benchmarks.tracker_gaps import fill_gaps
from benchmarks.tracker_ours import Observed, pin_to_one_core, run_ours
from benchmarks.tracker_peers import (
    SETTINGS,
    TRACKERS,
    PeerError,
    embed_inputs,
    known_table,
    peer_label,
    run_peer,
    write_input,
)
from benchmarks.tracker_scores import PAGE_TITLE, Entry, failures, score_table
from pipeline.embedder import load_embedder
from pipeline.tracking.observations import observe_sequence
from pipeline.tracking.sequence_folder import SequenceError, read_sequences
from reid.errors import ReidError
from trackers.presets import PRESETS, PresetError, build_tracker

MAX_GAP_S = 2.0
"""Longest gap that is filled in the peers' tracks: as long as our tracker waits for the lost."""
POST = (
    ("", lambda rows, fps: rows),
    (", gaps filled", lambda rows, fps: fill_gaps(rows, MAX_GAP_S * fps)),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 2 after one line on standard error for bad input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = _arguments(words)
    about = About.now(
        "benchmarks/trackers.py", words, seed="none; nothing is random", page=given.out
    )
    try:
        found = measure(given)
    except (SequenceError, PresetError, ReidError) as error:
        print(error, file=sys.stderr)
        return 2
    body = report(about, given, found)
    if given.out is not None:
        write_section(given.out, given.section, body, PAGE_TITLE)
    print(json.dumps({"about": about.as_dict()} | as_dict(found)) if given.json else body)
    return 0


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All entries: `entries`, `ablation`, `versions` of the peers, `pinned`, `share` embedded.

    Raises:
        SequenceError, PresetError, ReidError: bad input.
    """
    presets = given.presets or sorted(path.stem for path in PRESETS.glob("*.yaml"))
    for preset in presets:
        build_tracker(preset)
    sequences = read_sequences(given.data)
    detections = [sequence.detections(given.detections) for sequence in sequences]
    embedder = load_embedder(given.weights)
    observed = []
    for sequence, boxes in zip(sequences, detections, strict=True):
        _tell(f"embedding {sequence.name}")
        observed.append(
            Observed(sequence, observe_sequence(sequence, boxes, embedder, given.cache))
        )
    with tempfile.TemporaryDirectory(prefix="trackers-") as work:
        run_peers = _prepare_peers(given, observed, Path(work))
        pinned = pin_to_one_core()
        entries, share = _ours(presets, observed)
        peers, versions = run_peers()
    found = {"entries": [*entries, *peers], "versions": versions, "pinned": pinned, "share": share}
    ablation: list[AblationRow] = []
    if given.ablate:
        ablation = run_ablations("crosswalk", observed, on_done=lambda name: _tell(f"done: {name}"))
    return found | {"ablation": ablation, "sequences": [s.name for s in sequences]}


def _ours(presets: Sequence[str], observed: Sequence[Observed]) -> tuple[list[Entry], str]:
    entries, shares = [], []
    for preset in presets:
        _tell(f"tracking with {preset}")
        run = run_ours(partial(build_tracker, preset), observed)
        entries.append(Entry(f"**Crosswalk {preset}**", run.detected))
        entries.append(Entry(f"**Crosswalk {preset}**, gaps filled", run.filled))
        shares.append(f"{preset} {run.embedded:,}")
    return entries, f"{', '.join(shares)} of {run.boxes:,} boxes"


def _prepare_peers(
    given: argparse.Namespace, observed: Sequence[Observed], work: Path
) -> Callable[[], tuple[list[Entry], dict[str, str]]]:
    """Embed for the peers; what is returned tracks."""
    if given.peer_python is None:
        return lambda: ([], {})
    names = [(t, s) for t in given.peers for s in SETTINGS]
    try:
        if not given.reid.is_file():
            raise PeerError(f"{given.reid}: no such file")
        inputs = [
            write_input(one.sequence, [f.detections for f in one.frames], given.reid, given.cache)
            for one in observed
        ]
        _tell("embedding for the peers")
        embed_inputs(given.peer_python, inputs, given.reid, work)
    except PeerError as error:
        reason = f"BoxMOT's ReID: {error}"
        broken = [Entry(peer_label(t, s), {}, reason) for t, s in names]
        return lambda: (broken, {})

    def run() -> tuple[list[Entry], dict[str, str]]:
        entries: list[Entry] = []
        versions: dict[str, str] = {}
        for tracker, settings in names:
            _tell(f"tracking with {peer_label(tracker, settings)}")
            more, ran = run_peer(given.peer_python, tracker, settings, inputs, work, POST)
            entries += more
            versions |= ran
        return entries, versions

    return run


def report(about: About, given: argparse.Namespace, found: dict[str, Any]) -> str:
    """The Markdown text."""
    entries: list[Entry] = found["entries"]
    versions = ", ".join(f"{name} {text}" for name, text in found["versions"].items())
    parts = [
        f"## {given.title}",
        f"{about.markdown()}\n- peers: {versions or 'none ran'}\n- cores: one, {found['pinned']}"
        f"\n- boxes: `{given.detections}` of every sequence; embedded by ours: {found['share']}",
        "HOTA, IDF1, AssA and DetA in percent. Hz: frames per second of processor time "
        "inside the tracker, on boxes that were embedded before, without detector and pictures; "
        'the camera motion that some peers estimate is theirs and counts. "Gaps filled": with '
        "linearly interpolated boxes where a track was not detected for up to "
        f"{MAX_GAP_S:g} s, by the tracker itself (ours) or by this program (peers); compare "
        "filled with filled.",
        failures(entries),
        f"### Mean of {len(found['sequences'])} sequences\n\n"
        "The plain mean of the ratios; the sum of identity switches; all frames by all seconds.\n\n"
        + score_table(entries, None),
        *(f"### {name}\n\n{score_table(entries, name)}" for name in found["sequences"]),
    ]
    if found["versions"]:
        parts.append(f"### Peers beside an earlier measurement\n\n{known_table(entries)}")
    if found["ablation"]:
        rows: list[AblationRow] = found["ablation"]
        parts += [
            "## What the parts are worth\n\nPreset `crosswalk` with one thing changed, gaps "
            f"filled, mean of the sequences; changes in percent points.\n\n{ablation_table(rows)}",
            failures([row.entry for row in rows]),
        ]
    return "\n\n".join(part for part in parts if part)


def as_dict(found: dict[str, Any]) -> dict[str, Any]:
    """Plain values for JSON."""
    ablation = [
        row.entry.as_dict() | {"overrides": dict(row.ablation.overrides), "embedded": row.embedded}
        for row in found["ablation"]
    ]
    entries = [entry.as_dict() for entry in found["entries"]]
    return found | {"entries": entries, "ablation": ablation}


def _tell(what: str) -> None:
    print(what, file=sys.stderr)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    shared = ROOT.parent / "shared"
    osnet = shared / "weights" / "peers" / "osnet_x0_25_market1501.pth"
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", default=[shared / "data" / "mot"])
    parser.add_argument("--detections", default="det/yolo11n_int8.txt", help="below a sequence")
    parser.add_argument("--weights", type=Path, help="our embedder; default: the shipped one")
    parser.add_argument("--presets", nargs="+", help="default: all of configs/tracker")
    parser.add_argument("--ablate", action="store_true", help="also switch parts off one by one")
    parser.add_argument("--peer-python", type=Path, help="Python of an environment with BoxMOT 25")
    parser.add_argument("--peers", nargs="+", choices=list(TRACKERS), default=list(TRACKERS))
    parser.add_argument("--reid", type=Path, default=osnet, help="weights of BoxMOT's ReID")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "trackers")
    parser.add_argument("--out", type=Path, help="page whose section is replaced")
    parser.add_argument("--section", default="trackers", help="name of that section")
    parser.add_argument("--title", default="Trackers on the same boxes", help="its heading")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
