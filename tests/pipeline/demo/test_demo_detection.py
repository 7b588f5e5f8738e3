"""A normal person detector finds the drawn people."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.demo import demo_ground_truth, demo_views
from pipeline.demo.choreography import FRAME_COUNT
from pipeline.demo.render import render

MODEL = Path(__file__).parents[3] / ".." / "shared" / "weights" / "yolo11n_int8_openvino_model"
FULLY_VISIBLE = 0.95


@pytest.fixture(scope="module")
def detector() -> Any:
    if not MODEL.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the reference detector is missing: {MODEL}")
        pytest.skip(f"no reference detector at {MODEL}")
    from ultralytics import YOLO

    return YOLO(str(MODEL.resolve()), task="detect")


def overlap(a: Any, b: Any) -> float:
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(wide * high / (areas - wide * high))


@pytest.mark.slow
@pytest.mark.parametrize("view", demo_views())
def test_nine_of_ten_people_are_found(detector: Any, view: str) -> None:
    found = asked = wrong = 0
    rows = demo_ground_truth(view)
    for frame in range(0, FRAME_COUNT, 5):
        result = detector.predict(
            render(view, frame)[0], conf=0.25, classes=[0], imgsz=640, verbose=False
        )
        boxes = np.asarray(result[0].boxes.xyxy)
        here = [row for row in rows if row.frame == frame]
        wrong += sum(all(overlap(b, r.box_xyxy) < 0.3 for r in here) for b in boxes)
        for row in here:
            if row.visibility >= FULLY_VISIBLE:
                asked += 1
                found += any(overlap(b, row.box_xyxy) >= 0.5 for b in boxes)
    assert asked >= 60
    assert found / asked >= 0.9
    assert wrong / asked <= 0.05
