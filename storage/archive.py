"""Tracklets into the archive and out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, insert, literal, select
from sqlalchemy.orm import Session, selectinload

from storage import models as m
from storage.database import Database
from storage.errors import StoreError
from storage.filters import chunked, conditions, stored_uuids
from storage.media import MediaFolder
from storage.records import SearchFilter, TrackletRow
from storage.redact import without_credentials
from storage.tracklet_codec import check_tracklet, from_row, to_row
from storage.tracklets import Tracklet


def add(
    database: Database, media: MediaFolder, tracklets: Sequence[Tracklet], run_uuid: str
) -> list[str]:
    """Store what is new of ``tracklets``: first the crops, then all rows in one transaction.

    A crash in between leaves crops without rows, which the next orphan sweep removes.

    Returns:
        the uuids that were new, in the order given.

    Raises:
        StoreError: a tracklet is malformed, the run is unknown, or the disk is full.
    """
    unique: dict[str, Tracklet] = {}
    for tracklet in tracklets:
        unique.setdefault(tracklet.uuid, tracklet)
    for tracklet in unique.values():
        check_tracklet(tracklet)
    with database.exclusive():
        with database.read() as session:
            fresh = _without_known(session, list(unique.values()))
        rows = [to_row(tracklet, run_uuid) for tracklet in fresh]
        for tracklet, row in zip(fresh, rows, strict=True):
            for exemplar, exemplar_row in zip(tracklet.exemplars, row.exemplars, strict=True):
                media.write(exemplar_row.crop_path, exemplar.crop_jpeg)
        with database.write() as session:
            _require_run(session, run_uuid)
            still = {tracklet.uuid for tracklet in _without_known(session, fresh)}
            _add_missing_cameras(session, fresh)
            session.add_all(row for row in rows if row.uuid in still)
    return [tracklet.uuid for tracklet in fresh if tracklet.uuid in still]


def _without_known(session: Session, tracklets: list[Tracklet]) -> list[Tracklet]:
    """Drop the tracklets that are stored already or were erased."""
    uuids = [tracklet.uuid for tracklet in tracklets]
    known = stored_uuids(session, uuids)
    for chunk in chunked(uuids):
        known.update(session.scalars(select(m.Erased.uuid).where(m.Erased.uuid.in_(chunk))))
    return [tracklet for tracklet in tracklets if tracklet.uuid not in known]


def _require_run(session: Session, run_uuid: str) -> None:
    if session.get(m.Run, run_uuid) is None:
        raise StoreError(f"there is no run {run_uuid}; begin_run comes before add_tracklets")


def _add_missing_cameras(session: Session, tracklets: list[Tracklet]) -> None:
    """A delivery may outlive its camera's entry in the configuration; it is not lost for that."""
    sources = {tracklet.camera: tracklet.source for tracklet in tracklets}
    known = set(session.scalars(select(m.Camera.id).where(m.Camera.id.in_(sources))))
    for camera in sorted(set(sources) - known):
        source = without_credentials(sources[camera])
        values = {"id": camera, "name": camera, "source": source, "timezone": "UTC"}
        session.execute(insert(m.Camera).values(values))


def load(
    database: Database,
    media: MediaFolder | None,
    search: SearchFilter,
    run_uuid: str | None,
) -> list[Tracklet]:
    """Return the tracklets that the filter leaves, ordered by start, then uuid.

    Args:
        database: the archive.
        media: reads the crops; None leaves ``crop_jpeg`` empty.
        search: the filter.
        run_uuid: only this run's tracklets.
    """
    with database.read() as session:
        statement = (
            select(m.Tracklet)
            .where(*conditions(session, search, run_uuid))
            .order_by(m.Tracklet.start_s, m.Tracklet.uuid)
            .options(selectinload(m.Tracklet.exemplars))
        )
        skipped = set(search.exclude_tracklets)
        read = media.read if media else None
        rows = session.scalars(statement)
        return [from_row(row, read) for row in rows if row.uuid not in skipped]


def load_one(database: Database, media: MediaFolder, uuid: str) -> Tracklet:
    """Return one tracklet with its crops.

    Raises:
        StoreError: there is none of that uuid, or a crop is missing.
    """
    with database.read() as session:
        row = session.get(m.Tracklet, uuid, options=[selectinload(m.Tracklet.exemplars)])
        if row is None:
            raise StoreError(f"there is no tracklet {uuid}")
        return from_row(row, media.read)


def rows(
    database: Database, search: SearchFilter, run_uuid: str | None, limit: int | None, offset: int
) -> list[TrackletRow]:
    """Return the tracklets that the filter leaves without their arrays, ordered by start."""
    with database.read() as session:
        statement = _row_statement().where(*conditions(session, search, run_uuid))
        if search.exclude_tracklets:
            skipped = set(search.exclude_tracklets)
            found = [row for row in session.execute(statement) if row.uuid not in skipped]
            found = found[offset : None if limit is None else offset + limit]
        else:
            found = list(session.execute(statement.limit(limit).offset(offset)))
        return [TrackletRow(**row._mapping) for row in found]


def crop_paths(database: Database) -> dict[str, tuple[str, ...]]:
    """Return the crops of each tracklet that has any, by rank."""
    e = m.Exemplar
    statement = select(e.tracklet_uuid, e.crop_path).order_by(e.tracklet_uuid, e.rank)
    found: dict[str, tuple[str, ...]] = {}
    with database.read() as session:
        for uuid, path in session.execute(statement):
            found[uuid] = (*found.get(uuid, ()), path)
    return found


def _row_statement() -> Select[*tuple[Any, ...]]:
    """Select the fields of `TrackletRow` by name."""
    t = m.Tracklet
    count = select(func.count()).where(m.Exemplar.tracklet_uuid == t.uuid).scalar_subquery()
    crop = (
        select(m.Exemplar.crop_path)
        .where(m.Exemplar.tracklet_uuid == t.uuid, m.Exemplar.rank == literal(0))
        .scalar_subquery()
    )
    identity = (
        select(m.Link.identity_id)
        .where(m.Link.tracklet_uuid == t.uuid, m.Link.current)
        .scalar_subquery()
    )
    columns = (t.uuid, t.track_uuid, t.run_uuid, t.start_s, t.end_s, t.box_count, t.mean_score)
    source = (t.source, t.source_offset_s, t.source_fps, t.fingerprint)
    named = (
        t.camera_id.label("camera"),
        identity.label("identity_id"),
        count.label("exemplar_count"),
        crop.label("crop_path"),
    )
    return select(*columns, *source, *named).order_by(t.start_s, t.uuid)
