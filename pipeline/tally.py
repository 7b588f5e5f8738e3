"""Heartbeats added up, over restarts, to what a camera has achieved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.heartbeat import CameraProgress, Heartbeat


@dataclass(frozen=True)
class CameraTotals(CameraProgress):
    """One camera over all worker processes that had it.

    The attributes are those of `CameraProgress`, with these differences: `frames_here`, `wall_s`
    and `stage_s` are of all processes since this start of the program, `frames` and `tracklets`
    include those before a resume, `dropped` and `warnings` are of all processes.
    """

    @property
    def fps(self) -> float:
        """Frames processed per second of work."""
        return self.frames_here / self.wall_s if self.wall_s > 0 else 0.0


class Tally:
    """Keeps the newest heartbeat of each worker process.

    Args:
        cameras: ids, in the order in which they are shown.
    """

    def __init__(self, cameras: Sequence[str]) -> None:
        self._reports: dict[str, dict[int, CameraProgress]] = {name: {} for name in cameras}
        self._pending: dict[int, int] = {}
        self._final: set[int] = set()

    def update(self, heartbeat: Heartbeat) -> None:
        """Take a heartbeat."""
        for progress in heartbeat.cameras:
            reports = self._reports.setdefault(progress.camera, {})
            reports.pop(heartbeat.pid, None)
            reports[heartbeat.pid] = progress
        self._pending[heartbeat.worker] = heartbeat.pending
        if heartbeat.final:
            self._final.add(heartbeat.pid)

    def is_final(self, pid: int | None) -> bool:
        """Whether the process has said goodbye."""
        return pid in self._final

    def pending(self) -> int:
        """Closed tracklets that are not in the database yet."""
        return sum(self._pending.values())

    def cameras(self) -> list[CameraTotals]:
        """What each camera has achieved."""
        return [
            _totals(camera, list(reports.values())) for camera, reports in self._reports.items()
        ]


def _totals(camera: str, reports: Sequence[CameraProgress]) -> CameraTotals:
    """Add up the reports of successive processes, oldest first."""
    if not reports:
        return CameraTotals(camera)
    newest = reports[-1]
    stage_s: defaultdict[str, float] = defaultdict(float)
    for report in reports:
        for stage, seconds in report.stage_s.items():
            stage_s[stage] += seconds
    here = sum(report.frames_here for report in reports)
    closed = sum(report.tracklets for report in reports)
    return CameraTotals(
        camera=camera,
        state=newest.state,
        live=newest.live,
        frames=here if newest.live else newest.frames,
        frames_here=here,
        frames_total=newest.frames_total,
        position=newest.position,
        people=newest.people,
        tracklets=closed if newest.live else newest.tracklets,
        dropped=sum(report.dropped for report in reports),
        wall_s=sum(report.wall_s for report in reports),
        stage_s=dict(stage_s),
        warnings=tuple(dict.fromkeys(line for report in reports for line in report.warnings)),
    )
