"""BoxMOT's trackers as peers: run them in their own environment on our boxes, read the results."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import table
from benchmarks.tracker_scores import Entry, Score
from pipeline.tracking.scoring import comparable
from pipeline.tracking.sequence_folder import SequenceFolder
from trackers.detections import Detections
from trackers.motfile import MotFileError, MotRows, read_mot

CHILD = Path(__file__).with_name("boxmot_child.py")
TRACKERS = {
    "bytetrack": "ByteTrack",
    "ocsort": "OC-SORT",
    "botsort": "BoT-SORT",
    "strongsort": "StrongSORT",
    "boosttrack": "BoostTrack",
    "deepocsort": "Deep OC-SORT",
    "hybridsort": "HybridSORT",
}
SETTINGS = {"class": "class defaults", "yaml": "YAML defaults"}
"""BoxMOT has two sets of defaults: of its classes, and of the YAML files of its command line."""


CLASS_MIN_SCORE = {"strongsort": 0.3, "boosttrack": 0.3}
"""With class defaults these two make tracks of faint boxes and do much worse with every box
(StrongSORT on TUD-Campus: HOTA 37.6, from 0.3 on 48.0), so they get those from here on. The others,
and all with YAML defaults, get every box and use thresholds of their own."""


class PeerError(RuntimeError):
    """A peer did not run; one line."""


@dataclass(frozen=True)
class PeerInput:
    """One sequence, written down for a peer.

    Attributes:
        sequence, detections: what it is made of.
        boxes: the boxes' file. features: where the peer's appearance vectors are or will be.
    """

    sequence: SequenceFolder
    detections: list[Detections]
    boxes: Path
    features: Path

    def job(self, out: Path | None = None) -> dict[str, Any]:
        """What `boxmot_child.py` expects of a sequence."""
        return {
            "name": self.sequence.name,
            "images": [str(path.resolve()) for path in self.sequence.image_files],
            "boxes": str(self.boxes),
            "features": str(self.features),
            "out": str(out),
        }


def write_input(
    sequence: SequenceFolder, detections: list[Detections], weights: Path, cache: Path
) -> PeerInput:
    """Write the boxes of a sequence; the files are named after all that the features depend on."""
    digest = hashlib.sha256(weights.read_bytes())
    for path, found in zip(sequence.image_files, detections, strict=True):
        digest.update(f"{path.name} {path.stat().st_size} {len(found)}".encode())
        digest.update(found.boxes_xyxy.tobytes() + found.scores.tobytes())
    stem = f"{sequence.name}-{digest.hexdigest()[:32]}"
    cache.mkdir(parents=True, exist_ok=True)
    given = PeerInput(
        sequence,
        detections,
        (cache / f"{stem}.peer.npz").resolve(),
        (cache / f"{stem}.peer.npy").resolve(),
    )
    np.savez(
        given.boxes,
        boxes_xyxy=np.concatenate([d.boxes_xyxy for d in detections]),
        scores=np.concatenate([d.scores for d in detections]),
        counts=np.array([len(d) for d in detections], np.int64),
    )
    return given


def embed_inputs(python: Path, inputs: Sequence[PeerInput], weights: Path, work: Path) -> None:
    """Let BoxMOT's ReID embed the boxes of the sequences whose features are not kept yet.

    Raises:
        PeerError: it does not run.
    """
    alias = (work / f"{weights.stem}.pt").resolve()  # BoxMOT knows weights by this ending
    if not alias.exists():
        alias.symlink_to(weights.resolve())
    for given in inputs:
        if given.features.exists():
            continue
        made = given.features.with_suffix(".part.npy")
        job = given.job() | {"features": str(made)}
        call_child(python, {"do": "embed", "weights": str(alias), "sequences": [job]})
        made.replace(given.features)


def run_peer(
    python: Path,
    tracker: str,
    settings: str,
    inputs: Sequence[PeerInput],
    work: Path,
    post: Sequence[tuple[str, Callable[[MotRows, float], MotRows]]],
) -> tuple[list[Entry], dict[str, str]]:
    """One tracker over all sequences, scored as it is and after each post-processing.

    Args:
        python: of BoxMOT's environment. tracker, settings: keys of TRACKERS and SETTINGS.
        inputs: the sequences. work: folder of the MOTChallenge files.
        post: what to add to the name, and what to do with the rows at that frame rate.

    Returns:
        an entry per post-processing, and the versions of what ran (empty if nothing did).
    """
    label = peer_label(tracker, settings)
    outs = [
        (work / f"{given.sequence.name}.{tracker}.{settings}.txt").resolve() for given in inputs
    ]
    jobs = [given.job(out) for given, out in zip(inputs, outs, strict=True)]
    scores: list[dict[str, Score]] = [{} for _ in post]
    try:
        job = {"do": "track", "tracker": tracker, "settings": settings, "sequences": jobs}
        done = call_child(python, job | {"min_score": _min_score(tracker, settings)})
        for given, out, run in zip(inputs, outs, done["runs"], strict=True):
            rows = read_mot(out, unique_ids=True)
            labels = given.sequence.labels()
            for (_, change), found in zip(post, scores, strict=True):
                changed = change(rows, given.sequence.fps)
                gt, counted = comparable(given.sequence, labels, changed)
                found[given.sequence.name] = Score.of(gt, counted, run["frames"], run["seconds"])
    except (PeerError, MotFileError) as error:
        return [Entry(label + suffix, {}, str(error)) for suffix, _ in post], {}
    entries = [Entry(label + suffix, s) for (suffix, _), s in zip(post, scores, strict=True)]
    return entries, done["versions"]


def peer_label(tracker: str, settings: str) -> str:
    """The name for the tables."""
    label = f"{TRACKERS[tracker]}, {SETTINGS[settings]}"
    min_score = _min_score(tracker, settings)
    return f"{label}, boxes from {min_score:g}" if min_score else label


def _min_score(tracker: str, settings: str) -> float:
    return CLASS_MIN_SCORE.get(tracker, 0.0) if settings == "class" else 0.0


def call_child(python: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run `boxmot_child.py` in the other environment.

    Raises:
        PeerError: no such Python, it ended with an error or printed something else.
    """
    try:
        done = subprocess.run(
            [str(python), "-I", str(CHILD)], input=json.dumps(job), capture_output=True, text=True
        )
    except OSError as error:
        raise PeerError(f"{python}: cannot be run: {error.strerror}") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise PeerError(f"it ended with {done.returncode}: {lines[-1] if lines else 'no message'}")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise PeerError(f"its answer is not JSON: {done.stdout[:80]!r}") from error
    return answer


KNOWN = {
    "bytetrack": {
        "PETS09-S2L1": (55.7, 68.2),
        "TUD-Campus": (51.4, 71.7),
        "TUD-Stadtmitte": (59.4, 78.1),
        "ETH-Sunnyday": (66.3, 81.8),
    },
    "ocsort": {
        "PETS09-S2L1": (52.9, 66.8),
        "TUD-Campus": (41.2, 57.3),
        "TUD-Stadtmitte": (56.0, 73.6),
        "ETH-Sunnyday": (63.7, 78.6),
    },
    "botsort": {
        "PETS09-S2L1": (59.4, 76.9),
        "TUD-Campus": (50.9, 72.5),
        "TUD-Stadtmitte": (55.8, 74.0),
        "ETH-Sunnyday": (68.6, 86.9),
    },
    "strongsort": {
        "PETS09-S2L1": (51.5, 63.1),
        "TUD-Campus": (48.0, 70.1),
        "TUD-Stadtmitte": (60.3, 80.3),
        "ETH-Sunnyday": (64.5, 79.8),
    },
    "boosttrack": {
        "PETS09-S2L1": (52.4, 63.1),
        "TUD-Campus": (44.5, 59.5),
        "TUD-Stadtmitte": (55.7, 73.0),
        "ETH-Sunnyday": (64.0, 78.9),
    },
}
"""HOTA and IDF1 in percent that an earlier, separate measurement of BoxMOT 25 on the same boxes
found: a check of how the peers are fed. That it had class defaults, and CLASS_MIN_SCORE, was not
written down; it follows from the agreement."""


def known_table(entries: Sequence[Entry]) -> str:
    """HOTA/IDF1 of the peers with class defaults beside what they are known to reach."""
    lines = []
    for tracker, known in KNOWN.items():
        label = peer_label(tracker, "class")
        entry = next((e for e in entries if e.name == label and e.scores), None)
        for sequence, (hota, idf1) in known.items():
            if entry is not None and sequence in entry.scores:
                here = entry.scores[sequence]
                measured = f"{100 * here.hota:.1f} / {100 * here.idf1:.1f}"
                change = f"{_difference(here.hota, hota)} / {_difference(here.idf1, idf1)}"
                lines.append((label, sequence, measured, f"{hota} / {idf1}", change))
    return table(("tracker", "sequence", ">HOTA / IDF1", ">known", ">difference"), lines)


def _difference(ratio: float, known_percent: float) -> str:
    return f"{round(100 * ratio - known_percent, 1) + 0.0:+.1f}"  # + 0.0 turns -0.0 into 0.0
