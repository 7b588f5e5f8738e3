from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmarks.job import count_work
from benchmarks.office3 import SHIPPED, VARIANTS, variants_of
from benchmarks.pipeline_page import OURS, THEIRS, order_of, summary
from benchmarks.sources import CONFIG, changed, read_settings, write_settings
from pipeline.config import load_config
from pipeline.journal_records import JournalFrame
from trackers.detections import Detections


def test_every_variant_is_a_valid_configuration(shared_dir: Path, tmp_path: Path) -> None:
    settings = read_settings(CONFIG, shared_dir.resolve() / "data" / "office3")
    for name, changes in VARIANTS.items():
        config = load_config(write_settings(changed(settings, changes), tmp_path / f"{name}.yaml"))
        assert [camera.id for camera in config.cameras] == ["Cam1", "Cam2", "Cam3"]
        assert not any(camera.neighbours for camera in config.cameras)
        for group, values in changes.items():
            for key, value in values.items():
                assert getattr(getattr(config, group), key) == value


def test_the_example_configuration_loads_from_its_place(shared_dir: Path) -> None:
    assert load_config(CONFIG).camera("Cam1").start_time is not None


def test_relative_weights_stay_where_they_are(tmp_path: Path) -> None:
    config = tmp_path / "a" / "cams.yaml"
    config.parent.mkdir()
    text = {"cameras": [{"id": "x", "url": "../v/x.mp4"}], "detector": {"weights": "w.pt"}}
    config.write_text(yaml.safe_dump(text))
    settings = read_settings(config, tmp_path / "films")
    assert settings["cameras"][0]["url"] == str(tmp_path / "films" / "x.mp4")
    assert settings["detector"]["weights"] == str(tmp_path / "a" / "w.pt")


def test_changes_leave_the_original_and_other_settings_alone() -> None:
    before: dict[str, Any] = {"detector": {"confidence": 0.1, "detect_fps": 5}, "embedder": None}
    after = changed(before, {"detector": {"detect_fps": None}, "embedder": {"mode": "every"}})
    assert before["detector"]["detect_fps"] == 5
    assert after == {
        "detector": {"confidence": 0.1, "detect_fps": None},
        "embedder": {"mode": "every"},
    }


def test_variants_keep_our_order_and_the_shipped_run() -> None:
    assert variants_of("every-box, every-frame") == [SHIPPED, "every-frame", "every-box"]
    assert variants_of("all") == list(VARIANTS)
    with pytest.raises(argparse.ArgumentTypeError, match="no variant 'fast'"):
        variants_of("fast")


def test_work_is_counted_from_what_was_seen() -> None:
    def seen(frame: int, embedded: int) -> JournalFrame:
        found = Detections(np.zeros((3, 4), np.float32), np.ones(3, np.float32))
        rows = np.arange(embedded)
        return JournalFrame(frame, 0.0, 0.0, found, rows, None, (), np.zeros(0, np.float32))

    assert count_work([seen(0, 2), seen(2, 0), seen(4, 1)]) == (3, 3)


def test_the_order_alternates() -> None:
    assert [order_of(["a", "b"], repeat) for repeat in range(3)] == [
        ["a", "b"],
        ["b", "a"],
        ["a", "b"],
    ]


def test_summary_takes_medians_and_the_run_in_the_middle() -> None:
    def run(wall_s: float, detected: int | None = None) -> dict[str, Any]:
        found = {"frames": 100, "wall_s": wall_s, "cpu_s": 1.0, "flow_frames": 90, "flow_s": 10.0}
        ours = {"stage_s": {"decode": wall_s}, "detected": detected}
        return found if detected is None else {**found, **ours}

    result = summary({OURS: [run(10, 50), run(40, 50), run(20, 50)], THEIRS: [run(25)] * 3})
    assert result["programs"][OURS]["fps"] == 5
    assert result["programs"][OURS]["detected"] == 50
    assert result["programs"][THEIRS]["detected"] == 100
    assert result["ratio_to_ultralytics"][OURS] == {"fps": 1.25, "flow_fps": 1.0}
    assert result["stage_s"] == {"decode": 20}
