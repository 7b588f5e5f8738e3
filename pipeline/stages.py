"""The real stages of a worker, built from the configuration."""

from __future__ import annotations

from typing import Any

from pipeline.config import CameraConfig, RunConfig
from pipeline.detector import Detector
from pipeline.embedder import load_embedder
from pipeline.gating import FrameGate
from pipeline.stage_types import Gate, Stages
from trackers.camera_motion import CameraMotion
from trackers.pieces import Tracker
from trackers.presets import build_tracker


def build_stages(config: RunConfig) -> Stages:
    """Detector, embedder, trackers and gates of a run.

    Raises:
        ConfigError, ReidError, PresetError: weights or presets that cannot be used.
    """
    detector = Detector(
        config.detector.weights,
        image_size=config.detector.image_size,
        confidence=config.detector.confidence,
    )
    settings: dict[str, Any] = {
        "economy.calm_interval_s": config.embedder.max_interval_s,
        "piece_s": config.tracklets.max_piece_s,
    }
    if config.embedder.mode == "every":
        settings["economy.every_box"] = True
    settings |= config.tracker.overrides

    def make_tracker(camera: CameraConfig, fps: float, frame_wh: tuple[int, int]) -> Tracker:
        return build_tracker(config.tracker.preset, settings)

    def make_gate(camera: CameraConfig) -> Gate:
        return FrameGate(config.detector.detect_fps, skip_empty=config.detector.skip_empty)

    def make_camera_motion(camera: CameraConfig) -> CameraMotion | None:
        return CameraMotion() if config.tracker.camera_motion == "auto" else None

    embedder = load_embedder(config.embedder.weights)
    return Stages(detector, embedder, make_tracker, make_gate, make_camera_motion)
