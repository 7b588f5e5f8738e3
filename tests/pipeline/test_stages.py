"""What the configuration says reaches the stages of a worker."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import stages
from pipeline.config import RunConfig
from pipeline.detector import DEFAULT_WEIGHTS, Detector
from pipeline.gating import FrameGate
from pipeline.stage_types import Stages, load_stage_factory
from trackers.staged import StagedTracker
from trackers.staged_config import TrackerConfig


@pytest.fixture(autouse=True)
def no_embedder(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Remember which weights were asked for instead of loading them."""
    asked: list[Any] = []
    monkeypatch.setattr(stages, "load_embedder", lambda weights: asked.append(weights) or "model")
    return asked


def run_config(**settings: Any) -> RunConfig:
    cameras = [{"id": name, "url": "demo:lobby"} for name in ("a", "b")]
    return RunConfig.model_validate({"cameras": cameras, **settings})


def tracker_config(built: Stages) -> TrackerConfig:
    tracker = built.make_tracker(run_config().cameras[0], 25.0, (640, 480))
    assert isinstance(tracker, StagedTracker)
    return tracker.config


def test_detector_settings() -> None:
    built = stages.build_stages(run_config(detector={"image_size": 320, "confidence": 0.3}))
    assert isinstance(built.detector, Detector)
    assert (built.detector.image_size, built.detector.confidence) == (320, 0.3)
    assert built.detector.weights == DEFAULT_WEIGHTS


def test_embedder_weights(no_embedder: list[Any]) -> None:
    assert stages.build_stages(run_config()).embedder == "model"
    assert no_embedder == [None]


@pytest.mark.parametrize(("mode", "every"), [("adaptive", False), ("every", True)])
def test_tracker_settings(mode: str, every: bool) -> None:
    config = tracker_config(
        stages.build_stages(
            run_config(
                embedder={"mode": mode, "max_interval_s": 1.25}, tracklets={"max_piece_s": 12}
            )
        )
    )
    assert config.economy.every_box is every
    assert (config.economy.calm_interval_s, config.piece_s) == (1.25, 12.0)


def test_overrides_of_the_tracker_win() -> None:
    overrides = {"piece_s": 5, "motion.position": 0.2}
    config = tracker_config(stages.build_stages(run_config(tracker={"overrides": overrides})))
    assert (config.piece_s, config.motion.position) == (5.0, 0.2)


def test_cameras_share_neither_tracker_nor_gate() -> None:
    config = run_config()
    built = stages.build_stages(config)
    trackers = [built.make_tracker(c, 25.0, (640, 480)) for c in config.cameras]
    gates = [built.make_gate(c) for c in config.cameras]
    assert trackers[0] is not trackers[1]
    assert gates[0] is not gates[1]
    assert built.make_tracker(config.cameras[0], 25.0, (640, 480)) is not trackers[0]


def test_gate_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[float | None, bool]] = []

    def gate(detect_fps: float | None, *, skip_empty: bool) -> FrameGate:
        made.append((detect_fps, skip_empty))
        return FrameGate(detect_fps, skip_empty=skip_empty)

    monkeypatch.setattr(stages, "FrameGate", gate)
    config = run_config(detector={"detect_fps": 5, "skip_empty": True})
    assert isinstance(stages.build_stages(config).make_gate(config.cameras[0]), FrameGate)
    assert made == [(5.0, True)]


def test_a_worker_finds_them_by_name() -> None:
    factory = load_stage_factory("pipeline.stages:build_stages")
    assert isinstance(factory(run_config()).detector, Detector)
