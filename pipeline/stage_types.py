"""The stages that a worker runs, as interfaces, and how they are found by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.config import CameraConfig, RunConfig
from pipeline.errors import ConfigError
from pipeline.frames import Frame
from reid.embeddings import Embeddings
from trackers.camera_motion import CameraMotion
from trackers.detections import Detections
from trackers.pieces import Tracker


class Detector(Protocol):
    """Finds people in pictures."""

    def load(self) -> None:
        """Load the weights; called once, in the worker process."""

    def detect(self, images: list[NDArray[np.uint8]]) -> list[Detections]:
        """Find people in (H, W, 3) BGR pictures, one result each, in the same order."""


class Embedder(Protocol):
    """Turns crops into vectors."""

    @property
    def fingerprint(self) -> str:
        """Hash of weights and preprocessing."""

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        """Describe (h, w, 3) BGR crops, one row each, in the same order."""


class Gate(Protocol):
    """Decides whether a frame is worth the detector; one per camera."""

    def should_detect(self, frame: Frame, has_live_tracks: bool) -> bool:
        """False: the frame counts as processed but neither detector nor tracker see it."""


@dataclass(frozen=True)
class Stages:
    """What a worker needs.

    Attributes:
        detector: shared by the worker's cameras.
        embedder: shared by the worker's cameras.
        make_tracker: from a camera's settings, its frames per second and its frame size
            (width, height) in pixels; called once per camera and after every break.
        make_gate: from a camera's settings; None for no gate.
        make_camera_motion: from a camera's settings; None takes the camera for still. Called
            whenever `make_tracker` is.
    """

    detector: Detector
    embedder: Embedder
    make_tracker: Callable[[CameraConfig, float, tuple[int, int]], Tracker]
    make_gate: Callable[[CameraConfig], Gate | None] = lambda camera: None
    make_camera_motion: Callable[[CameraConfig], CameraMotion | None] = lambda camera: None


StageFactory = Callable[[RunConfig], Stages]


def load_attribute(name: str) -> object:
    """Import `module:attribute`. Raises ConfigError if there is no such thing."""
    module_name, separator, attribute = name.partition(":")
    if not separator:
        raise ConfigError(f"{name!r}: write module:attribute")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{name!r} cannot be imported: {error}") from error


def load_stage_factory(name: str) -> StageFactory:
    """Import the function `module:attribute` that builds the stages. Raises ConfigError."""
    return cast(StageFactory, load_attribute(name))
