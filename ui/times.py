"""Times as operators read them: local to the camera."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.search import SearchError
from storage.records import CameraRow

_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M")


def zone_of(cameras: Iterable[CameraRow], chosen: Collection[str] | None = None) -> str | None:
    """Return the IANA zone that all chosen cameras share, None if they differ.

    Args:
        cameras: all cameras.
        chosen: ids; empty or None stands for all. Without any camera the zone is UTC.
    """
    zones = {camera.timezone for camera in cameras if not chosen or camera.id in chosen}
    return None if len(zones) > 1 else next(iter(zones), "UTC")


def parse_local(text: str | None, zone: str | None, *, is_end: bool = False) -> float | None:
    """Turn a local date and time into POSIX seconds; an empty text means no limit.

    Args:
        text: ``2026-01-05 09:00`` or with seconds; a date alone means its first (or, with
            ``is_end``, its last) second.
        zone: IANA zone; None if the cameras lie in several.
        is_end: the time ends a range: of an hour that comes twice in autumn the later is meant.

    Raises:
        SearchError: this is no time, or there is no single zone to read it in.
    """
    value = (text or "").strip()
    if not value:
        return None
    if zone is None:
        raise SearchError(
            "The chosen cameras lie in different time zones; "
            "choose cameras of one zone to search in a time range."
        )
    moment = _moment(value, is_end)
    return moment.replace(tzinfo=ZoneInfo(zone), fold=int(is_end)).timestamp()


def _moment(value: str, is_end: bool) -> datetime:
    for form in _FORMATS:
        try:
            return datetime.strptime(value, form)  # noqa: DTZ007 - the camera's zone is added
        except ValueError:
            continue
    try:
        day = datetime.strptime(value, "%Y-%m-%d")  # noqa: DTZ007 - the camera's zone is added
    except ValueError:
        raise SearchError(
            f"{value!r} is not a time; write it like 2026-01-05 09:00 or leave it empty."
        ) from None
    return day.replace(hour=23, minute=59, second=59) if is_end else day


def local(time_s: float | None, zone: str | None) -> str:
    """Return POSIX seconds as ``2026-01-05 09:00:00``; without a zone in UTC and saying so."""
    if time_s is None:
        return "–"
    moment = datetime.fromtimestamp(time_s, ZoneInfo(zone or "UTC"))
    return f"{moment:%Y-%m-%d %H:%M:%S}" + ("" if zone else " UTC")


def span(start_s: float, end_s: float, zone: str | None) -> str:
    """Return a time range; the second date is left out if it is the first.

    The dash does not break, so that a narrow card shows the date above the times.
    """
    start, end = local(start_s, zone), local(end_s, zone)
    return f"{start}\u00a0–\u2060\u00a0{end[11:] if start[:10] == end[:10] else end}"
