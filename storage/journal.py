"""The audit log: who did what to the archive."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage import models as m
from storage.errors import StoreError
from storage.records import AuditRow


def now() -> datetime:
    """Return this moment in UTC."""
    return datetime.now(UTC)


def record(session: Session, actor: str, action: str, details: dict[str, Any]) -> None:
    """Add a line inside the transaction of what it reports.

    Raises:
        StoreError: nobody is named, or nothing.
    """
    if not actor or not action:
        raise StoreError("an audit entry needs an actor and an action")
    session.add(m.Audit(at=now(), actor=actor, action=action, details=details))


def latest(session: Session, limit: int) -> list[AuditRow]:
    """Return at most ``limit`` lines, newest first."""
    rows = session.scalars(select(m.Audit).order_by(m.Audit.id.desc()).limit(limit))
    return [AuditRow(row.at, row.actor, row.action, row.details) for row in rows]
