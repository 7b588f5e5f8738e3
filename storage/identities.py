"""Persons across cameras: listing, naming, merging, and what operators said about them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any, get_args

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from storage import models as m
from storage.errors import StoreError
from storage.filters import require_tracklets, surviving_identity
from storage.journal import now, record
from storage.links import supersede, to_record
from storage.records import Decision, DecisionKind, IdentityRow


def listing(session: Session) -> list[IdentityRow]:
    """Return the identities that were not merged away, by id."""
    seen = _seen(session)
    crops = _best_crops(session)
    rows = session.scalars(
        select(m.Identity).where(m.Identity.merged_into.is_(None)).order_by(m.Identity.id)
    )
    return [
        IdentityRow(
            id=row.id,
            label=row.label,
            created_at=row.created_at,
            tracklet_count=sum(count for _, count, _, _ in seen[row.id]),
            cameras=tuple(camera for camera, _, _, _ in seen[row.id]),
            first_s=min((first for _, _, first, _ in seen[row.id]), default=None),
            last_s=max((last for _, _, _, last in seen[row.id]), default=None),
            crop_path=crops.get(row.id),
        )
        for row in rows
    ]


def _seen(session: Session) -> defaultdict[int, list[tuple[str, int, float, float]]]:
    """Return (camera, tracklets, first_s, last_s) of each identity, cameras in order."""
    t, link = m.Tracklet, m.Link
    found: defaultdict[int, list[tuple[str, int, float, float]]] = defaultdict(list)
    statement = (
        select(link.identity_id, t.camera_id, func.count(), func.min(t.start_s), func.max(t.end_s))
        .join(t, t.uuid == link.tracklet_uuid)
        .where(link.current)
        .group_by(link.identity_id, t.camera_id)
        .order_by(link.identity_id, t.camera_id)
    )
    for identity, camera, count, first, last in session.execute(statement):
        if identity is not None:
            found[identity].append((camera, count, first, last))
    return found


def _best_crops(session: Session) -> dict[int, str]:
    """Return the crop of highest quality of each identity."""
    best = func.row_number().over(
        partition_by=m.Link.identity_id, order_by=(m.Exemplar.quality.desc(), m.Exemplar.id)
    )
    ranked = (
        select(m.Link.identity_id, m.Exemplar.crop_path, best.label("place"))
        .join(m.Exemplar, m.Exemplar.tracklet_uuid == m.Link.tracklet_uuid)
        .where(m.Link.current, m.Link.identity_id.is_not(None))
        .subquery()
    )
    statement = select(ranked.c.identity_id, ranked.c.crop_path).where(ranked.c.place == 1)
    return {identity: path for identity, path in session.execute(statement)}


def set_label(session: Session, identity_id: int, label: str | None, actor: str) -> None:
    """Name an identity; the name itself is not copied into the audit log.

    Raises:
        StoreError: there is no such identity.
    """
    identity = surviving_identity(session, identity_id)
    identity.label = label
    record(session, actor, "label", {"identity": identity.id})


def merge(session: Session, keep: int, drop: int, actor: str) -> None:
    """Say that two identities are one person; links get a ``confirmed`` revision.

    Raises:
        StoreError: one does not exist, or they are one already.
    """
    survivor, merged = surviving_identity(session, keep), surviving_identity(session, drop)
    if survivor.id == merged.id:
        raise StoreError(f"identities {keep} and {drop} are the same person already")
    rows = session.scalars(
        select(m.Link).where(m.Link.current, m.Link.identity_id == merged.id)
    ).all()
    moment = now()
    supersede(
        session,
        [
            replace(to_record(row), identity_id=survivor.id, outcome="confirmed", decided_at=moment)
            for row in rows
        ],
    )
    if survivor.label is None:
        survivor.label = merged.label
    merged.merged_into = survivor.id
    session.execute(
        update(m.Identity)
        .where(m.Identity.merged_into == merged.id)
        .values(merged_into=survivor.id)
    )
    details: dict[str, Any] = {"keep": survivor.id, "drop": merged.id, "tracklets": len(rows)}
    record(session, actor, "merge", details)


def decide(session: Session, kind: str, uuid_a: str, uuid_b: str, actor: str) -> None:
    """Keep what an operator said about two tracklets; it replaces what was said before.

    Raises:
        StoreError: a tracklet does not exist, both are the same, or ``kind`` is unknown.
    """
    if kind not in get_args(DecisionKind):
        raise StoreError(f"unknown decision {kind!r}; it is must_link or cannot_link")
    if uuid_a == uuid_b:
        raise StoreError(f"a decision needs two tracklets, not {uuid_a} twice")
    require_tracklets(session, [uuid_a, uuid_b])
    first, second = sorted((uuid_a, uuid_b))
    row = session.get(m.OperatorDecision, (first, second))
    if row is None:
        row = m.OperatorDecision(uuid_a=first, uuid_b=second)
        session.add(row)
    row.kind, row.actor, row.decided_at = kind, actor, now()
    record(session, actor, "decide", {"kind": kind, "tracklets": [first, second]})


def decisions(session: Session) -> list[Decision]:
    """Return all operator decisions, oldest first."""
    rows = session.scalars(
        select(m.OperatorDecision).order_by(
            m.OperatorDecision.decided_at, m.OperatorDecision.uuid_a, m.OperatorDecision.uuid_b
        )
    )
    return [
        Decision(
            kind="must_link" if row.kind == "must_link" else "cannot_link",
            uuid_a=row.uuid_a,
            uuid_b=row.uuid_b,
            actor=row.actor,
            decided_at=row.decided_at,
        )
        for row in rows
    ]
