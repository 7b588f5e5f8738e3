"""Commands that remove people; they say what would go unless `--yes` is given."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from pipeline.cli_errors import EXIT_BAD_INPUT
from pipeline.cli_output import Grid, Result
from pipeline.cli_run import DAY_S
from pipeline.cli_session import actor
from storage.errors import StoreError

if TYPE_CHECKING:
    from storage.records import ErasureReport
    from storage.store import Store

_KINDS = ("tracklets", "exemplars", "crops", "links", "decisions")


def erase(store: Store, identity: int, *, yes: bool) -> Result:
    """Remove one person from the archive.

    Raises:
        StoreError: there is no such identity, or a picture cannot be removed.
    """
    person = next((row for row in store.identities() if row.id == identity), None)
    if person is not None and not yes:
        tracklets = person.tracklet_count
        what = f"identity {identity} with {tracklets} tracklets and their pictures"
        return _refused(what, {"identity": identity, "tracklets": tracklets})
    return _removed(store, store.erase_identity(identity, actor()))


def retain(store: Store, days: float, *, yes: bool) -> Result:
    """Remove everybody seen for the last time more than so many days ago.

    Raises:
        StoreError: the number of days makes no sense, or a picture cannot be removed.
    """
    if not (math.isfinite(days) and days >= 0):
        raise StoreError(f"--days: must be a number of days, 0 or more, not {days:g}")
    now_s = time.time()
    if not yes:
        limit_s = now_s - days * DAY_S
        old = sum(row.end_s < limit_s for row in store.tracklet_rows(end_s=limit_s))
        return _refused(f"{old} tracklets older than {days:g} days", {"tracklets": old})
    return _removed(store, store.apply_retention(days * DAY_S, now_s, actor()))


def _refused(what: str, data: dict[str, int]) -> Result:
    """Say what would be removed."""
    line = f"This would remove {what}. Nothing was removed; add --yes to do it."
    return Result({"would_remove": data, "removed": None}, (), EXIT_BAD_INPUT, [line])


def _removed(store: Store, report: ErasureReport) -> Result:
    """Clips go as well: any of them may show the person in passing."""
    from pipeline.clips import remove_all_clips

    clips = remove_all_clips(store) if report.tracklets else 0
    data = {**asdict(report), "identities": list(report.identities), "clips": clips}
    rows = [("identities", str(len(report.identities)))]
    rows += [(kind, str(data[kind])) for kind in _KINDS]
    rows.append(("clips", str(clips)))
    blocks: list[Grid | str] = [Grid(("removed", ">count"), rows)]
    if not report.cleared:
        blocks.append(
            "The database's files still hold traces until its other readers close it (SQLite) or "
            "its VACUUM has run (PostgreSQL)."
        )
    blocks.append("The recordings themselves are not changed.")
    return Result({"removed": data}, blocks)
