"""Who a tracklet is, and every earlier answer to that question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import get_args

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from storage import models as m
from storage.errors import StoreError
from storage.filters import chunked, require_tracklets, stored_uuids, surviving_identity
from storage.journal import now
from storage.records import LinkRecord, Outcome

_KEYS = ("identity_key", "rejected_identity_key")
STORED = tuple(field.name for field in fields(LinkRecord) if field.name not in _KEYS)


def create_identity(session: Session, label: str | None) -> int:
    """Add an identity and return its id, which nobody else will ever have."""
    identity = m.Identity(label=label, created_at=now())
    session.add(identity)
    session.flush()
    return identity.id


def apply(session: Session, records: Sequence[LinkRecord]) -> dict[str, int]:
    """Make ``records`` the current links; what they replace stays as history.

    A record that says what the current link says already adds no revision.

    Returns:
        the identity that each ``identity_key`` got.

    Raises:
        StoreError: a tracklet or identity does not exist, or a record contradicts itself.
    """
    uuids = [record.tracklet_uuid for record in records]
    if len(set(uuids)) < len(uuids):
        raise StoreError("two links for one tracklet in one call")
    for record in records:
        _check(record)
    require_tracklets(session, uuids)
    created: dict[str, int] = {}
    for record in records:
        if record.identity_key is not None and record.identity_key not in created:
            created[record.identity_key] = create_identity(session, None)
    matches = (record.best_match_tracklet for record in records)
    known = stored_uuids(session, {match for match in matches if match is not None})
    resolved = [_resolve(session, record, created, known) for record in records]
    supersede(session, resolved)
    return created


def _check(record: LinkRecord) -> None:
    """Refuse a record that contradicts itself."""
    name = f"link of tracklet {record.tracklet_uuid}"
    if record.outcome not in get_args(Outcome):
        raise StoreError(f"{name}: unknown outcome {record.outcome!r}")
    if record.identity_id is not None and record.identity_key is not None:
        raise StoreError(f"{name}: has both an identity and a key for a new one")
    nobody = record.identity_id is None and record.identity_key is None
    if nobody and record.outcome != "abstained":
        raise StoreError(f"{name}: {record.outcome!r} needs an identity")


def _resolve(
    session: Session, record: LinkRecord, created: dict[str, int], known: set[str]
) -> LinkRecord:
    """Replace keys and merged identities by ids; forget evidence that has been erased."""
    identity = record.identity_id
    if record.identity_key is not None:
        identity = created[record.identity_key]
    elif identity is not None:
        identity = surviving_identity(session, identity).id
    rejected = record.rejected_identity_id
    if rejected is None and record.rejected_identity_key is not None:
        rejected = created.get(record.rejected_identity_key)
    elif rejected is not None and session.get(m.Identity, rejected) is None:
        rejected = None
    match = record.best_match_tracklet
    return replace(
        record,
        identity_id=identity,
        identity_key=None,
        rejected_identity_id=rejected,
        rejected_identity_key=None,
        best_match_tracklet=match if match in known else None,
        decided_at=record.decided_at or now(),
    )


def supersede(session: Session, records: Sequence[LinkRecord]) -> None:
    """Store resolved ``records`` as the newest revisions, unless nothing changed."""
    for chunk in chunked(records):
        old = {
            row.tracklet_uuid: row
            for row in _current(session, [record.tracklet_uuid for record in chunk])
        }
        changed = [
            record
            for record in chunk
            if record.tracklet_uuid not in old or not _same(old[record.tracklet_uuid], record)
        ]
        if not changed:
            continue
        uuids = [record.tracklet_uuid for record in changed]
        session.execute(
            update(m.Link)
            .where(m.Link.tracklet_uuid.in_(uuids), m.Link.current)
            .values(current=False)
        )
        session.execute(
            insert(m.Link),
            [
                {
                    **{name: getattr(record, name) for name in STORED},
                    "current": True,
                    "revision": old[record.tracklet_uuid].revision + 1
                    if record.tracklet_uuid in old
                    else 0,
                }
                for record in changed
            ],
        )


def _same(row: m.Link, record: LinkRecord) -> bool:
    names = (name for name in STORED if name != "decided_at")
    return all(getattr(row, name) == getattr(record, name) for name in names)


def _current(session: Session, uuids: Sequence[str]) -> Iterable[m.Link]:
    """Read the current links afresh; earlier bulk updates bypass the session's objects."""
    return session.scalars(
        select(m.Link)
        .where(m.Link.tracklet_uuid.in_(uuids), m.Link.current)
        .execution_options(populate_existing=True)
    )


def to_record(row: m.Link) -> LinkRecord:
    """Return the record of a row."""
    return LinkRecord(**{name: getattr(row, name) for name in STORED})


def current(session: Session, uuids: Iterable[str] | None) -> dict[str, LinkRecord]:
    """Return the current link of each tracklet that has one; None asks for all."""
    if uuids is None:
        rows: Iterable[m.Link] = session.scalars(select(m.Link).where(m.Link.current))
        return {row.tracklet_uuid: to_record(row) for row in rows}
    found: dict[str, LinkRecord] = {}
    for chunk in chunked(uuids):
        found.update({row.tracklet_uuid: to_record(row) for row in _current(session, chunk)})
    return found


def history(session: Session, uuid: str) -> list[LinkRecord]:
    """Return every link a tracklet ever had, oldest first.

    Raises:
        StoreError: there is no such tracklet.
    """
    require_tracklets(session, [uuid])
    rows = session.scalars(
        select(m.Link).where(m.Link.tracklet_uuid == uuid).order_by(m.Link.revision)
    )
    return [to_record(row) for row in rows]
