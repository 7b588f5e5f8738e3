"""Run one BoxMOT tracker, or its ReID model, over sequences; a process in BoxMOT's environment.

    PEER_PYTHON -I benchmarks/boxmot_child.py < job.json

Knows BoxMOT 25 and nothing of this project: it runs where the project is not installed. The job:

    {"do": "embed", "weights": "x.pt", "sequences": [SEQUENCE, ...]}
    {"do": "track", "tracker": "botsort", "settings": "class" or "yaml", "min_score": 0.0,
     "sequences": [SEQUENCE, ...]}

    SEQUENCE = {"name": ..., "images": [file of each frame, ...], "boxes": "boxes.npz",
                "features": "features.npy", "out": "result.txt"}

`boxes.npz` holds boxes_xyxy (N, 4) float32, scores (N,) float32 and counts (frames,) int64, boxes
per frame in order; `features` is (N, D) float32, written by "embed" and read by "track". A tracker
has the default settings of its class or of BoxMOT's YAML file, and sees the boxes from `min_score`
on. "track" writes MOTChallenge files. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch


def main() -> None:
    """Do the job of standard input; the answer alone goes to standard output."""
    answer_to, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    job = json.load(sys.stdin)
    done = embed(job) if job["do"] == "embed" else track(job)
    print(json.dumps(done), file=answer_to)


def embed(job: dict[str, Any]) -> dict[str, Any]:
    """Write the appearance vectors of all boxes, as BoxMOT's own ReID computes them."""
    from boxmot.reid.core import ReID

    model = ReID(weights=Path(job["weights"]), device="cpu", half=False).model
    boxes_in_all = 0
    for sequence in job["sequences"]:
        features = [
            np.asarray(model.get_features(boxes, image), np.float32).reshape(len(boxes), -1)
            for image, boxes, _ in frames(sequence)
            if len(boxes)
        ]
        stacked = np.concatenate(features) if features else np.zeros((0, 1), np.float32)
        np.save(sequence["features"], stacked)
        boxes_in_all += len(stacked)
    return {"boxes": boxes_in_all} | versions()


def track(job: dict[str, Any]) -> dict[str, Any]:
    """Track every sequence with a new tracker; processor seconds are of its `update` alone."""
    runs = []
    for sequence in job["sequences"]:
        tracker = _new_tracker(job["tracker"], job["settings"])
        wants_features = bool(getattr(tracker, "use_embeddings", False))
        features = np.load(sequence["features"]) if wants_features else None
        lines: list[str] = []
        seconds, start = 0.0, 0
        for number, (image, boxes, scores) in enumerate(frames(sequence), start=1):
            rows = None if features is None else features[start : start + len(boxes)]
            start += len(boxes)
            found = _detections(number, boxes, scores, rows, job["min_score"])
            began = time.process_time()
            tracks = tracker.update(found, image)
            seconds += time.process_time() - began
            lines += _mot_lines(number, tracks)
        Path(sequence["out"]).write_text("".join(lines), encoding="utf-8")
        runs.append({"name": sequence["name"], "frames": number, "seconds": seconds})
    return {"runs": runs, "uses_appearance": wants_features} | versions()


def frames(sequence: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Picture (H, W, 3) BGR, boxes (n, 4) and scores (n,) of every frame."""
    stored = np.load(sequence["boxes"])
    ends = np.cumsum(stored["counts"])
    for file, end, count in zip(sequence["images"], ends, stored["counts"], strict=True):
        rows = slice(int(end - count), int(end))
        yield cv2.imread(file), stored["boxes_xyxy"][rows], stored["scores"][rows]


def versions() -> dict[str, Any]:
    """What ran."""
    import boxmot

    return {
        "versions": {
            "boxmot": boxmot.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        }
    }


def _new_tracker(name: str, settings: str) -> Any:
    from boxmot.trackers.factory import create_tracker
    from boxmot.trackers.registry import get_tracker_class
    from boxmot.trackers.specs import TrackerSpec

    return create_tracker(TrackerSpec(name)) if settings == "yaml" else get_tracker_class(name)()


def _detections(number: int, boxes: Any, scores: Any, features: Any, min_score: float) -> Any:
    from boxmot.structures import Boxes, Detections

    kept = scores >= min_score
    rows = None if features is None or not kept.any() else torch.from_numpy(features[kept])
    return Detections(
        geometry=Boxes(torch.from_numpy(boxes[kept])),
        scores=torch.from_numpy(scores[kept]),
        class_ids=torch.zeros(int(kept.sum()), dtype=torch.int64),
        sample_id=f"frame {number}",
        embeddings=rows,
    )


def _mot_lines(number: int, tracks: Any) -> list[str]:
    boxes, scores = tracks.geometry.values.numpy(), tracks.scores.numpy()
    return [
        f"{number},{identity},{left:.3f},{top:.3f},{right - left:.3f},{bottom - top:.3f},"
        f"{score:.4f},-1,-1\n"
        for identity, (left, top, right, bottom), score in zip(
            tracks.track_ids.tolist(), boxes, scores, strict=True
        )
    ]


if __name__ == "__main__":
    main()
