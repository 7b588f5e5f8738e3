"""Print the person detector beside the reference: AP50 on held-back frames, ms per frame.

    python benchmarks/detector.py [--shared ../shared] [--json]

Held-back frames are never trained on nor used to choose settings (see
`pipeline/detector_training/split.py`). Times are of the product's whole call per frame at
confidence 0.25, the detectors taking turns in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.detector import Detector
from pipeline.detector_training.average_precision import DetectionScore
from pipeline.detector_training.dataset import DatasetPlan, held_back_frames
from pipeline.detector_training.evaluate import mean_ap50, score_detector
from pipeline.detector_training.labelled_frame import LabelledFrame
from pipeline.detector_training.offline import load_yolo

ROOT = Path(__file__).resolve().parents[1]
OURS = ROOT / "pipeline" / "weights" / "yolo11n_person_int8_openvino_model"
DRAWN = "composites"
Image = NDArray[np.uint8]


def main() -> None:
    """Measure both detectors and print a table, or one JSON object."""
    given = _arguments()
    reference = given.reference or given.shared / "weights" / "yolo11n_int8_openvino_model"
    plan = DatasetPlan()
    frames = held_back_frames(given.shared, plan)[:: given.every]
    paths = {"ours": given.ours, "reference": reference}
    models = {name: load_yolo(path) for name, path in paths.items()}
    real = [frame for frame in frames if frame.dataset != DRAWN]
    drawn = [frame for frame in frames if frame.dataset == DRAWN]
    result: dict[str, Any] = {
        "about": _about(plan.seed, given, paths),
        "quality": {name: _quality(model, real, drawn) for name, model in models.items()},
        "ms_per_frame": _speed(paths, _timing_pictures(real), given.repeats),
    }
    print(json.dumps(result) if given.json else _table(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--ours", type=Path, default=OURS)
    parser.add_argument("--reference", type=Path, default=None)
    parser.add_argument("--every", type=int, default=1, help="score one of so many frames")
    parser.add_argument("--repeats", type=int, default=60, help="timed frames per setting")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args()


def _about(seed: int, given: argparse.Namespace, paths: dict[str, Path]) -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "commit": commit,
        "command": f"python benchmarks/detector.py --every {given.every} --repeats {given.repeats}",
        "seed": seed,
        **{name: os.path.relpath(path, ROOT) for name, path in paths.items()},
    }


def _processor() -> str:
    """Return the processor's name as Linux gives it, or else the architecture."""
    about = Path("/proc/cpuinfo")
    for line in about.read_text().splitlines() if about.exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _quality(
    model: Any, real: list[LabelledFrame], drawn: list[LabelledFrame]
) -> dict[str, dict[str, float]]:
    """`overall` and `mean` are over the hand-labelled frames; drawn ones stand apart."""
    scores: dict[str, DetectionScore] = score_detector(model, real)
    rows: dict[str, dict[str, float]] = {name: asdict(score) for name, score in scores.items()}
    rows["mean of data sets"] = {"ap50": mean_ap50(scores)}
    if drawn:
        rows[DRAWN] = asdict(score_detector(model, drawn)[DRAWN])
    return rows


def _timing_pictures(frames: Sequence[LabelledFrame]) -> list[Image]:
    """Return 20 frames of 640x480 pixels."""
    wanted = [frame for frame in frames if frame.dataset == "ETH-Sunnyday"]
    return [frame.read_bgr() for frame in wanted[:20]]


def _speed(
    paths: dict[str, Path], pictures: list[Image], repeats: int
) -> dict[str, dict[str, float]]:
    """Return the median milliseconds per frame; the detectors take turns frame by frame.

    All are run by the product's `Detector` on 640 x 480 frames. The reference pads them to its
    640 x 640; ours is also given frames that are padded already, for the same work.
    """
    squares = [cv2.copyMakeBorder(one, 80, 80, 0, 0, cv2.BORDER_CONSTANT) for one in pictures]
    settings: dict[str, tuple[Detector, list[Any]]] = {
        "reference, 640x640": (_timed(paths["reference"]), pictures),
        "ours, 640x640": (_timed(paths["ours"]), squares),
        "ours, 480x640 (as used)": (_timed(paths["ours"]), pictures),
        "ours, 320x416": (_timed(paths["ours"], 416), pictures),
    }
    wall: dict[str, list[float]] = {name: [] for name in settings}
    for turn in range(repeats + 3):
        for name, (detector, frames) in settings.items():
            start = time.perf_counter()
            detector.detect([frames[turn % len(frames)]])
            if turn >= 3:
                wall[name].append((time.perf_counter() - start) * 1000)
    return {
        name: {"median": round(float(np.median(taken)), 2), "best": round(min(taken), 2)}
        for name, taken in wall.items()
    }


def _timed(weights: Path, size: int | None = None) -> Detector:
    return Detector(weights, image_size=size, confidence=0.25)


def _table(result: dict[str, Any]) -> str:
    lines = [f"{key}: {value}" for key, value in result["about"].items()]
    ours, reference = result["quality"]["ours"], result["quality"]["reference"]
    lines += [
        "",
        "held-back frames      frames people | AP50 ours   ref. | recall@.25 ours  ref."
        " | precision@.25 ours  ref.",
    ]
    for name, row in ours.items():
        other = reference[name]
        if "recall" not in row:
            lines.append(f"{name:<21} {'':>13} | {row['ap50']:9.4f} {other['ap50']:6.4f} |")
            continue
        lines.append(
            f"{name:<21} {row['frames']:6d} {row['people']:6d} | {row['ap50']:9.4f} "
            f"{other['ap50']:6.4f} | {row['recall']:15.3f} {other['recall']:5.3f}"
            f" | {row['precision']:18.3f} {other['precision']:5.3f}"
        )
    lines += ["", "milliseconds per frame           median   best"]
    for name, row in result["ms_per_frame"].items():
        lines.append(f"{name:<32} {row['median']:6.1f} {row['best']:6.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
