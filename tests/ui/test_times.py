"""Local times of cameras."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.search import SearchError
from storage.records import CameraRow
from ui.times import local, parse_local, span, zone_of


def camera(name: str, zone: str) -> CameraRow:
    """A camera in a time zone."""
    return CameraRow(name, name, "", zone, None, None, 0, 0)


CAMERAS = [camera("a", "Europe/Berlin"), camera("b", "Europe/Berlin"), camera("c", "Asia/Tokyo")]


def posix(*moment: int) -> float:
    """POSIX seconds of a UTC moment."""
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("chosen", "zone"),
    [(["a", "b"], "Europe/Berlin"), (["c"], "Asia/Tokyo"), (["a", "c"], None), ([], None)],
)
def test_cameras_of_one_zone(chosen: list[str], zone: str | None) -> None:
    assert zone_of(CAMERAS, chosen) == zone


def test_without_cameras_the_zone_is_utc() -> None:
    assert zone_of([]) == "UTC"


@pytest.mark.parametrize(
    ("text", "is_end", "expected"),
    [
        ("2026-01-05 09:00", False, posix(2026, 1, 5, 8)),
        ("2026-07-05 09:00:30", False, posix(2026, 7, 5, 7, 0, 30)),
        (" 2026-01-05T09:00 ", True, posix(2026, 1, 5, 8)),
        ("2026-01-05", False, posix(2026, 1, 4, 23)),
        ("2026-01-05", True, posix(2026, 1, 5, 22, 59, 59)),
        ("2026-10-25 02:30", False, posix(2026, 10, 25, 0, 30)),
        ("2026-10-25 02:30", True, posix(2026, 10, 25, 1, 30)),
        ("", False, None),
        (None, True, None),
    ],
)
def test_local_times_are_read(text: str | None, is_end: bool, expected: float | None) -> None:
    assert parse_local(text, "Europe/Berlin", is_end=is_end) == expected


@pytest.mark.parametrize("text", ["tomorrow", "05.01.2026", "2026-13-01", "2026-01-05 25:00"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(SearchError, match="write it like 2026-01-05 09:00"):
        parse_local(text, "UTC")


def test_several_zones_are_refused() -> None:
    with pytest.raises(SearchError, match="different time zones"):
        parse_local("2026-01-05", None)
    assert parse_local("", None) is None


def test_times_are_shown_in_the_cameras_zone() -> None:
    start, end = posix(2026, 1, 5, 8), posix(2026, 1, 5, 8, 0, 9)
    assert local(start, "Europe/Berlin") == "2026-01-05 09:00:00"
    assert local(start, None) == "2026-01-05 08:00:00 UTC"
    assert local(None, "UTC") == "–"
    assert span(start, end, "Asia/Tokyo") == "2026-01-05 17:00:00\u00a0–\u2060\u00a017:00:09"
    midnight = posix(2026, 1, 5, 23)
    assert span(midnight - 1, midnight, "Europe/Berlin").endswith(
        "–\u2060\u00a02026-01-06 00:00:00"
    )
