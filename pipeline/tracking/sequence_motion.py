"""How the camera of a sequence moved, measured once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.tracking.kept_arrays import keep_arrays
from pipeline.tracking.sequence_folder import SequenceFolder
from trackers.camera_motion import CameraMotion, CameraMotionConfig
from trackers.detections import Detections

_LAYOUT = "motion 2"


def sequence_motion(
    sequence: SequenceFolder,
    detections: list[Detections],
    cache: Path,
    config: CameraMotionConfig | None = None,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> list[NDArray[np.float64] | None]:
    """Per frame the (2, 3) affine from the frame before, None where the camera was still.

    Args:
        sequence: its pictures. detections: per frame, whose boxes are left out.
        cache: a folder that is made when missing; its files are named after the pictures' names,
            sizes and times of change, the boxes and the settings.
        config: how it is measured.
        on_frame: told frames done and in all while measuring.
    """
    config = config or CameraMotionConfig()
    path = cache / f"{_key(sequence, detections, config)}.npz"
    if not path.is_file():
        keep_arrays(path, affines=_measure(sequence, detections, config, on_frame))
    with np.load(path) as stored:
        affines = stored["affines"]
    return [None if np.isnan(affine).any() else affine for affine in affines]


def _measure(
    sequence: SequenceFolder,
    detections: list[Detections],
    config: CameraMotionConfig,
    on_frame: Callable[[int, int], None],
) -> NDArray[np.float64]:
    """(frames, 2, 3); NaN where the camera was still."""
    camera = CameraMotion(config)
    affines = np.full((len(sequence), 2, 3), np.nan)
    for index, found in enumerate(detections):
        image = sequence.image(index)
        affine = camera.update(image, index / sequence.fps, found.boxes_xyxy)
        if affine is not None:
            affines[index] = affine
        on_frame(index + 1, len(sequence))
    return affines


def _key(sequence: SequenceFolder, detections: list[Detections], config: CameraMotionConfig) -> str:
    about = f"{_LAYOUT} {config} {sequence.fps} {sequence.pictures_digest()}"
    digest = hashlib.sha256(about.encode())
    for found in detections:
        digest.update(found.boxes_xyxy.tobytes() + b"|")
    return f"{sequence.name}-motion-{digest.hexdigest()[:32]}"
