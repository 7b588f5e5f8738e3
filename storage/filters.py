"""What a filter means in SQL, said once for lists, search and index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from storage import models as m
from storage.errors import StoreError
from storage.records import SearchFilter

T = TypeVar("T")
CHUNK = 500  # values per IN list; SQLite allows 32766 in a statement
LARGEST_INTEGER = 2**63 - 1
"""That a database column holds."""


def chunked(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Yield ``values`` in lists of at most ``size``."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def identity_row(session: Session, identity_id: int) -> m.Identity:
    """Return the identity itself, merged into another or not.

    Raises:
        StoreError: there is none of that id (any more).
    """
    known = abs(identity_id) <= LARGEST_INTEGER
    identity = session.get(m.Identity, identity_id) if known else None
    if identity is None:
        raise StoreError(f"there is no identity {identity_id}")
    return identity


def surviving_identity(session: Session, identity_id: int) -> m.Identity:
    """Return the identity, or the one it was merged into.

    Raises:
        StoreError: there is none of that id (any more).
    """
    identity = identity_row(session, identity_id)
    while identity.merged_into is not None:
        identity = identity_row(session, identity.merged_into)
    return identity


def conditions(
    session: Session, search: SearchFilter, run_uuid: str | None = None
) -> list[ColumnElement[bool]]:
    """Return what must hold of a `models.Tracklet`; ``exclude_tracklets`` is left to the caller.

    Raises:
        StoreError: the identity does not exist.
    """
    found: list[ColumnElement[bool]] = []
    if search.cameras is not None:
        found.append(m.Tracklet.camera_id.in_(list(search.cameras)))
    if search.start_s is not None:
        found.append(m.Tracklet.end_s >= search.start_s)
    if search.end_s is not None:
        found.append(m.Tracklet.start_s <= search.end_s)
    if search.identity is not None:
        identity = surviving_identity(session, search.identity)
        linked = select(m.Link.tracklet_uuid).where(
            m.Link.current, m.Link.identity_id == identity.id
        )
        found.append(m.Tracklet.uuid.in_(linked))
    if run_uuid is not None:
        found.append(m.Tracklet.run_uuid == run_uuid)
    return found


def require_tracklets(session: Session, uuids: Sequence[str]) -> None:
    """Check that all tracklets exist.

    Raises:
        StoreError: one does not.
    """
    missing = set(uuids) - stored_uuids(session, uuids)
    if missing:
        raise StoreError(f"there is no tracklet {min(missing)}")


def stored_uuids(session: Session, uuids: Iterable[str]) -> set[str]:
    """Return those of ``uuids`` that are tracklets of the archive."""
    found: set[str] = set()
    for chunk in chunked(uuids):
        found.update(session.scalars(select(m.Tracklet.uuid).where(m.Tracklet.uuid.in_(chunk))))
    return found
