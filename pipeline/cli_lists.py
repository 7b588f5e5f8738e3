"""Commands that show what is in the archive."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.cli_output import Grid, Result, iso_time, local_time

if TYPE_CHECKING:
    from storage.store import Store


def cameras(store: Store) -> Result:
    """What each camera has seen, in its own time zone."""
    rows = store.cameras()
    data = [
        {
            "id": row.id,
            "name": row.name,
            "source": row.source,
            "timezone": row.timezone,
            "first_utc": iso_time(row.first_s),
            "last_utc": iso_time(row.last_s),
            "tracklets": row.tracklet_count,
            "identities": row.identity_count,
        }
        for row in rows
    ]
    columns = ("camera", "name", "first seen", "last seen", "zone", ">tracklets", ">identities")
    table = [
        (
            row.id,
            row.name,
            local_time(row.first_s, row.timezone),
            local_time(row.last_s, row.timezone),
            row.timezone,
            str(row.tracklet_count),
            str(row.identity_count),
        )
        for row in rows
    ]
    return Result({"cameras": data}, [_grid(columns, table, "The archive has no cameras yet.")])


def identities(store: Store) -> Result:
    """Everybody who was given an identity."""
    rows = store.people()
    data = [
        {
            "id": row.id,
            "label": row.label,
            "tracklets": row.tracklet_count,
            "cameras": list(row.cameras),
            "first_utc": iso_time(row.first_s),
            "last_utc": iso_time(row.last_s),
            "crop": row.crop_path,
            "created_utc": row.created_at.isoformat(),
        }
        for row in rows
    ]
    columns = (">identity", "label", "cameras", "first seen (UTC)", "last seen (UTC)", ">tracklets")
    table = [
        (
            str(row.id),
            row.label or "",
            ", ".join(row.cameras),
            local_time(row.first_s),
            local_time(row.last_s),
            str(row.tracklet_count),
        )
        for row in rows
    ]
    return Result({"identities": data}, [_grid(columns, table, "Nobody has an identity yet.")])


def runs(store: Store) -> Result:
    """Every start of the main job, newest first; the configuration is in the JSON only."""
    rows = store.runs()
    data = [asdict(row) for row in rows]
    columns = ("run", "started (UTC)", "ended (UTC)", "state", ">tracklets")
    table = [
        (
            row.uuid,
            local_time(row.started_at.timestamp()),
            local_time(row.finished_at.timestamp() if row.finished_at else None),
            row.state,
            str(row.tracklet_count),
        )
        for row in rows
    ]
    return Result({"runs": data}, [_grid(columns, table, "The archive has no runs yet.")])


def audit(store: Store, limit: int) -> Result:
    """Who did what, newest first."""
    rows = store.audit_log(limit)
    data = [{**asdict(row), "at": row.at.isoformat()} for row in rows]
    columns = ("at (UTC)", "who", "what", "details")
    table = [
        (local_time(row.at.timestamp()), row.actor, row.action, _short(row.details)) for row in rows
    ]
    return Result({"audit": data}, [_grid(columns, table, "The audit log is empty.")])


def _grid(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> Grid | str:
    return Grid(columns, rows) if rows else empty


def _short(details: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}: {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in details.items()
    )
