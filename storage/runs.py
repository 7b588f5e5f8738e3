"""Runs of the main job and the cameras they watch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage import models as m
from storage.errors import StoreError
from storage.journal import now
from storage.media import check_uuid
from storage.records import CameraInfo, CameraRow, RunInfo
from storage.redact import redacted, without_credentials

RUNNING = "running"


def begin(
    session: Session, run_uuid: str, config: dict[str, Any], cameras: Sequence[CameraInfo]
) -> None:
    """Start a run, or go on with it: its start stays, its end is taken back.

    Raises:
        StoreError: the uuid is malformed.
    """
    run = session.get(m.Run, check_uuid(run_uuid))
    if run is None:
        run = m.Run(uuid=run_uuid, started_at=now())
        session.add(run)
    run.finished_at = None
    run.state = RUNNING
    run.config = redacted(config)
    for info in cameras:
        camera = session.get(m.Camera, info.id)
        if camera is None:
            camera = m.Camera(id=info.id)
            session.add(camera)
        camera.name = info.name or info.id
        camera.source = without_credentials(info.source)
        camera.timezone = info.timezone


def finish(session: Session, run_uuid: str, state: str) -> None:
    """End a run.

    Raises:
        StoreError: there is no such run.
    """
    run = session.get(m.Run, run_uuid)
    if run is None:
        raise StoreError(f"there is no run {run_uuid}")
    run.state = state
    run.finished_at = now()


def listing(session: Session) -> list[RunInfo]:
    """Return all runs, newest first."""
    counted = select(m.Tracklet.run_uuid, func.count()).group_by(m.Tracklet.run_uuid)
    counts = {run_uuid: count for run_uuid, count in session.execute(counted)}
    runs = session.scalars(select(m.Run).order_by(m.Run.started_at.desc(), m.Run.uuid))
    return [
        RunInfo(
            uuid=run.uuid,
            started_at=run.started_at,
            finished_at=run.finished_at,
            state=run.state,
            config=run.config,
            tracklet_count=counts.get(run.uuid, 0),
        )
        for run in runs
    ]


def cameras(session: Session) -> list[CameraRow]:
    """Return all cameras by id, with what each has seen."""
    t, link = m.Tracklet, m.Link
    seen: dict[str, tuple[Any, ...]] = {
        row[0]: tuple(row)[1:]
        for row in session.execute(
            select(
                t.camera_id,
                func.min(t.start_s),
                func.max(t.end_s),
                func.count(t.uuid),
                func.count(link.identity_id.distinct()),
            )
            .outerjoin(link, (link.tracklet_uuid == t.uuid) & link.current)
            .group_by(t.camera_id)
        )
    }
    rows = session.scalars(select(m.Camera).order_by(m.Camera.id))
    return [
        CameraRow(row.id, row.name, row.source, row.timezone, *seen.get(row.id, (None, None, 0, 0)))
        for row in rows
    ]
