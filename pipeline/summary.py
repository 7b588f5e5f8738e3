"""What a run achieved, as it is printed at the end."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.run_folder import RunState
from pipeline.tally import CameraTotals


@dataclass(frozen=True)
class RunSummary:
    """The result of `pipeline.supervisor.run`.

    Attributes:
        run_uuid: of the run.
        state: `finished`; `stopped` on request; `failed` if a process was given up or no camera
            could be read to its end.
        cameras: per camera what was done.
        wall_s: seconds from start to end of this call.
        restarts: how often a process was started again.
        pending: closed tracklets that are spooled but not in the database; `--resume` stores them.
        warnings: what went wrong besides what the cameras report.
    """

    run_uuid: str
    state: RunState
    cameras: tuple[CameraTotals, ...]
    wall_s: float
    restarts: int = 0
    pending: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Frames processed in the run."""
        return sum(camera.frames for camera in self.cameras)

    @property
    def tracklets(self) -> int:
        """Tracklets closed in the run."""
        return sum(camera.tracklets for camera in self.cameras)

    @property
    def dropped(self) -> int:
        """Frames of live cameras that were replaced by newer ones."""
        return sum(camera.dropped for camera in self.cameras)

    @property
    def fps(self) -> float:
        """Frames of all cameras per second of this call."""
        done = sum(camera.frames_here for camera in self.cameras)
        return done / self.wall_s if self.wall_s > 0 else 0.0

    @property
    def stage_s(self) -> dict[str, float]:
        """Seconds per stage over all cameras."""
        seconds: defaultdict[str, float] = defaultdict(float)
        for camera in self.cameras:
            for stage, spent in camera.stage_s.items():
                seconds[stage] += spent
        return dict(seconds)

    def to_dict(self) -> dict[str, Any]:
        """The summary with its totals, ready for JSON."""
        return {
            "run_uuid": self.run_uuid,
            "state": self.state,
            "frames": self.frames,
            "tracklets": self.tracklets,
            "dropped": self.dropped,
            "fps": self.fps,
            "wall_s": self.wall_s,
            "restarts": self.restarts,
            "pending": self.pending,
            "warnings": list(self.warnings),
            "stage_s": self.stage_s,
            "cameras": [
                {**asdict(camera), "warnings": list(camera.warnings), "fps": camera.fps}
                for camera in self.cameras
            ],
        }
