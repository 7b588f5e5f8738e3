"""One operator's search as a plain object, so that it can be tested without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.search import (
    PeopleInPicture,
    SearchError,
    SearchResult,
    detect_people,
    read_picture,
)
from pipeline.search_wearing import PersonFilter
from ui.context import Context
from ui.times import parse_local, zone_of


@dataclass(frozen=True)
class Filters:
    """What the operator chose: camera ids, local times, clothing; empty means no limit."""

    cameras: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    wearing: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchSession:
    """The picture and the last query of one browser tab.

    Attributes:
        image_bgr: (H, W, 3) uint8 picture, if one was uploaded.
        people: who is in it.
        kind: ``image``, ``tracklet``, ``identity`` or ``wearing`` (by clothing alone); empty before
            the first search.
        subject: the row of the person in the picture, the uuid or the number.
    """

    image_bgr: NDArray[np.uint8] | None = None
    people: PeopleInPicture | None = None
    kind: str = ""
    subject: str = ""

    @property
    def chosen(self) -> int | None:
        """The person of the picture that is searched for."""
        return int(self.subject) if self.kind == "image" else None


def with_picture(context: Context, path: Path) -> SearchSession:
    """Read an uploaded picture and find the people in it; one alone is chosen at once.

    The upload is removed: the archive keeps no pictures that operators search with.

    Raises:
        SearchError: it is not a picture.
    """
    try:
        image = read_picture(path)
    finally:
        path.unlink(missing_ok=True)
    with context.detecting:
        people = detect_people(image, context.detector)
    alone = len(people.boxes_xyxy) == 1
    return SearchSession(image, people, "image" if alone else "", "0" if alone else "")


def asking(session: SearchSession, kind: str, subject: str) -> SearchSession:
    """Return the session with another question, such as "more like this".

    Raises:
        SearchError: the subject is no number where one is needed, or there is no such person.
    """
    text = subject.strip()
    if kind == "identity" and not (text.isascii() and text.isdigit() and len(text) < 16):
        raise SearchError("Type the number of a person, for example 12.")
    if kind == "image":
        count = 0 if session.people is None else len(session.people.boxes_xyxy)
        if not text.isdigit() or int(text) >= count:
            raise SearchError("Choose one of the numbered people in the picture.")
    return replace(session, kind=kind, subject=text)


def run(context: Context, session: SearchSession, filters: Filters, actor: str) -> SearchResult:
    """Search for what the session asks.

    Raises:
        SearchError: nothing was asked, or the search cannot be made.
    """
    where = search_filter(context, filters)
    if session.kind == "tracklet":
        return context.service.search_by_tracklet(session.subject, where=where, actor=actor)
    if session.kind == "identity":
        number = int(session.subject)
        return context.service.search_by_identity(number, where=where, actor=actor)
    if session.kind == "wearing":
        return context.service.search_by_wearing(where, actor=actor)
    if session.kind != "image" or session.image_bgr is None or session.people is None:
        raise SearchError("Upload a picture or type the number of a person first.")
    box = session.people.boxes_xyxy[int(session.subject)]
    return context.service.search_by_image(session.image_bgr, box, where=where, actor=actor)


def search_filter(context: Context, filters: Filters) -> PersonFilter:
    """Turn what was typed into a filter; times are local to the chosen cameras.

    Raises:
        SearchError: a time cannot be read, or the cameras lie in several zones.
    """
    zone = zone_of(context.cameras().values(), filters.cameras)
    return PersonFilter(
        cameras=filters.cameras or None,
        start_s=parse_local(filters.start, zone),
        end_s=parse_local(filters.end, zone, is_end=True),
        wearing=filters.wearing,
    )


def heading(session: SearchSession) -> str:
    """Say what the results answer."""
    if session.kind == "tracklet":
        return "More like this"
    if session.kind == "identity":
        return f"Person {session.subject} and who looks like them"
    if session.kind == "wearing":
        return "Who may wear that"
    return "Who looks like the person in the picture"


def zone_hint(context: Context, cameras: Sequence[str]) -> str:
    """Explain in which zone times are read."""
    zone = zone_of(context.cameras().values(), cameras)
    if zone is None:
        return "Times are local to the cameras. Choose cameras of one time zone to use a range."
    return f"Local time of the cameras ({zone}), e.g. 2026-01-05 09:00."
