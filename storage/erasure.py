"""Remove people from the archive: rows, vectors and crops, and say what was removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from storage import models as m
from storage.database import Database
from storage.errors import StoreError
from storage.filters import chunked, identity_row
from storage.journal import now, record
from storage.media import MediaFolder
from storage.records import ErasureReport
from storage.scan import raise_generation


def erase_identity(
    database: Database, media: MediaFolder, identity_id: int, actor: str
) -> ErasureReport:
    """Remove a person: the identity, those merged into it, and every tracklet linked to them.

    The tracklets' uuids stay on a list of erased ones, so that a delivery that comes late does
    not bring the person back.

    Raises:
        StoreError: there is no such identity, it was merged into another, or a crop cannot be
            removed (then nothing is forgotten and the call can be repeated).
    """
    with database.write() as session:
        identities = _with_merged(session, identity_id)
        uuids = _linked(session, identities)
        report = _remove(session, media, uuids, identities)
        session.add_all(m.Erased(uuid=uuid, erased_at=now()) for uuid in uuids)
        _report(session, actor, "erase_identity", report)
    return replace(report, cleared=database.scrub())


def apply_retention(
    database: Database, media: MediaFolder, max_age_s: float, now_s: float, actor: str
) -> ErasureReport:
    """Remove tracklets that ended more than ``max_age_s`` before ``now_s`` (POSIX seconds).

    Identities that lose their last tracklet go with them.

    Raises:
        StoreError: the age is negative, or a crop cannot be removed.
    """
    if not max_age_s >= 0:
        raise StoreError(f"the retention age is {max_age_s} seconds; it cannot be negative")
    with database.write() as session:
        old = m.Tracklet.end_s < now_s - max_age_s
        uuids = list(session.scalars(select(m.Tracklet.uuid).where(old)))
        if not uuids:
            return ErasureReport(cleared=database.is_sqlite)
        identities = _emptied_by(session, old)
        report = _remove(session, media, uuids, identities)
        _report(session, actor, "retention", report)
    return replace(report, cleared=database.scrub())


def _with_merged(session: Session, identity_id: int) -> list[int]:
    """Return the identity and those that were merged into it."""
    identity = identity_row(session, identity_id)
    if identity.merged_into is not None:
        raise StoreError(
            f"identity {identity_id} was merged into {identity.merged_into}; erase that one"
        )
    merged = select(m.Identity.id).where(m.Identity.merged_into == identity_id)
    return [identity_id, *sorted(session.scalars(merged))]


def _linked(session: Session, identities: Sequence[int]) -> list[str]:
    """Return the tracklets that are now linked to any of the identities."""
    found: list[str] = []
    for chunk in chunked(identities):
        statement = select(m.Link.tracklet_uuid).where(
            m.Link.current, m.Link.identity_id.in_(chunk)
        )
        found.extend(session.scalars(statement))
    return found


def _emptied_by(session: Session, old: ColumnElement[bool]) -> list[int]:
    """Return the identities, merged ones included, whose tracklets are all ``old``."""
    statement = (
        select(m.Link.identity_id, func.min(m.Tracklet.uuid))
        .join(m.Tracklet, m.Tracklet.uuid == m.Link.tracklet_uuid)
        .where(m.Link.current, m.Link.identity_id.is_not(None))
    )
    touched = {row[0] for row in session.execute(statement.where(old).group_by(m.Link.identity_id))}
    kept = {row[0] for row in session.execute(statement.where(~old).group_by(m.Link.identity_id))}
    emptied = [identity for identity in touched - kept if identity is not None]
    merged: list[int] = []
    for chunk in chunked(emptied):
        merged.extend(
            session.scalars(select(m.Identity.id).where(m.Identity.merged_into.in_(chunk)))
        )
    return sorted({*emptied, *merged})


def _remove(
    session: Session, media: MediaFolder, uuids: Sequence[str], identities: Sequence[int]
) -> ErasureReport:
    """Delete rows, then files; the caller commits, so a failure in between is repeatable."""
    crops: list[str] = []
    links = decisions = 0
    for chunk in chunked(uuids):
        e, link, said = m.Exemplar, m.Link, m.OperatorDecision
        crops.extend(session.scalars(select(e.crop_path).where(e.tracklet_uuid.in_(chunk))))
        links += _delete(session, link, link.tracklet_uuid.in_(chunk))
        about = or_(said.uuid_a.in_(chunk), said.uuid_b.in_(chunk))
        decisions += _delete(session, said, about)
        _delete(session, e, e.tracklet_uuid.in_(chunk))
        _delete(session, m.Tracklet, m.Tracklet.uuid.in_(chunk))
    for ids in chunked(identities):
        _delete(session, m.Identity, m.Identity.id.in_(ids))
    raise_generation(session)
    session.flush()
    return ErasureReport(
        identities=tuple(identities),
        tracklets=len(uuids),
        exemplars=len(crops),
        crops=_count(media.delete, crops),
        links=links,
        decisions=decisions,
    )


def _delete(session: Session, table: type[m.Base], where: ColumnElement[bool]) -> int:
    """Delete rows and return how many."""
    count = session.scalar(select(func.count()).select_from(table).where(where)) or 0
    session.execute(delete(table).where(where).execution_options(synchronize_session=False))
    return count


def _count(remove: Callable[[str], bool], paths: Sequence[str]) -> int:
    return sum(remove(path) for path in paths)


def _report(session: Session, actor: str, action: str, report: ErasureReport) -> None:
    """Write the counts to the audit log, in the transaction of the erasure."""
    details = {key: value for key, value in asdict(report).items() if key != "cleared"}
    record(session, actor, action, {**details, "identities": list(report.identities)})


def orphans(database: Database, media: MediaFolder, min_age_s: float) -> list[str]:
    """Return crop files that no row names, such as a crash between crop and commit leaves.

    Args:
        database: the archive.
        media: the folder of its crops.
        min_age_s: leave files alone that are younger; a writer may be about to commit them.
    """
    files = sorted(media.files(min_age_s))
    known: set[str] = set()
    with database.read() as session:
        for chunk in chunked(files):
            statement = select(m.Exemplar.crop_path).where(m.Exemplar.crop_path.in_(chunk))
            known.update(session.scalars(statement))
    return [file for file in files if file not in known]


def remove_orphans(database: Database, media: MediaFolder, min_age_s: float, actor: str) -> int:
    """Remove what `orphans` finds and return how many files that were."""
    with database.exclusive():
        found = orphans(database, media, min_age_s)
        removed = _count(media.delete, found)
        if removed:
            with database.write() as session:
                record(session, actor, "remove_orphans", {"files": removed})
    return removed
