"""What a worker says about itself about once a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

CameraState = Literal["waiting", "running", "finished", "stopped", "failed"]

STAGES = ("decode", "gate", "detect", "embed", "track", "store")
"""The stages whose wall time is accounted, in the order in which a frame meets them."""


@dataclass(frozen=True)
class CameraProgress:
    """How far one camera has come.

    Attributes:
        camera: id of the camera.
        state: `waiting` until the first frame; `finished` at the end of a recording; `stopped`
            when asked to stop; `failed` when the source could not be read.
        live: whether it is a stream or a webcam, whose past cannot be read again.
        frames: frames processed in the run; for a recording those before a restart included.
        frames_here: frames processed by this worker process.
        frames_total: frames of the recording; None for live sources or if unknown.
        position: 0-based index of the newest processed frame, -1 before the first.
        people: confirmed tracks in view in the newest frame.
        tracklets: tracklets closed in the run; for a recording as with `frames`.
        dropped: frames of a live source that were replaced by newer ones.
        wall_s: seconds this process has worked on the camera.
        stage_s: seconds per stage in this process; a batched stage is split over its cameras.
        warnings: what went wrong, one line each.
    """

    camera: str
    state: CameraState = "waiting"
    live: bool = False
    frames: int = 0
    frames_here: int = 0
    frames_total: int | None = None
    position: int = -1
    people: int = 0
    tracklets: int = 0
    dropped: int = 0
    wall_s: float = 0.0
    stage_s: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heartbeat:
    """One message from one worker process.

    Attributes:
        worker: number of the worker, 0, 1, 2 ...
        pid: process id, so that a restarted worker is told from its predecessor.
        cameras: the worker's cameras.
        pending: closed tracklets that the hub has not acknowledged.
        final: the last heartbeat before the process ends on its own accord.
    """

    worker: int
    pid: int
    cameras: tuple[CameraProgress, ...]
    pending: int = 0
    final: bool = False
