"""Ultralytics' own `track` with BoT-SORT on the cameras of a configuration, as a process.

    python benchmarks/ultralytics_track.py configs/office3.yaml

The same weights, confidence and picture size as ours, every frame, one model object per camera,
one frame of each camera in turn. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.config import CameraConfig, RunConfig, load_config
from pipeline.detector import DEFAULT_WEIGHTS, NMS_IOU


def main() -> None:
    """Track all cameras to their end and print frames, seconds and ids."""
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    stdout, sys.stdout = sys.stdout, sys.stderr
    config = load_config(Path(sys.argv[1]))
    open_streams = {camera.id: _stream(camera, config) for camera in config.cameras}
    frames = dict.fromkeys(open_streams, 0)
    ids: dict[str, set[int]] = {name: set() for name in open_streams}
    began_flow: float | None = None
    while open_streams:
        for name, stream in list(open_streams.items()):
            result = next(stream, None)
            if result is None:
                del open_streams[name]
                continue
            frames[name] += 1
            if result.boxes.id is not None:
                ids[name].update(result.boxes.id.int().tolist())
        began_flow = began_flow or time.perf_counter()  # after each model's slow first frame
    flow_s = time.perf_counter() - (began_flow or 0.0)
    found = {
        "frames": sum(frames.values()),
        "flow_frames": sum(frames.values()) - len(frames),
        "flow_s": flow_s,
        "ids": {name: len(seen) for name, seen in ids.items()},
    }
    print(json.dumps(found), file=stdout)


def _stream(camera: CameraConfig, config: RunConfig) -> Iterator[Any]:
    """Results of one camera, frame by frame."""
    from ultralytics import YOLO

    detector = config.detector
    model = YOLO(str(detector.weights or DEFAULT_WEIGHTS), task="detect")
    person = next(number for number, name in model.names.items() if name == "person")
    size = {"imgsz": detector.image_size} if detector.image_size else {}
    results: Any = model.track(
        source=camera.url,
        stream=True,
        persist=True,
        tracker="botsort.yaml",
        classes=[person],
        conf=detector.confidence,
        iou=NMS_IOU,
        verbose=False,
        **size,
    )
    return iter(results)


if __name__ == "__main__":
    main()
