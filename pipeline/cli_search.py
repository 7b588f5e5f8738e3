"""Search by picture and clothing from the shell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli_output import Grid, Result, local_time
from pipeline.cli_session import actor

if TYPE_CHECKING:
    from pipeline.detector import Detector
    from pipeline.search import PeopleInPicture, SearchResult, SearchService
    from reid.wearing.readout import Readout
    from storage.records import SearchFilter
    from storage.store import Store

_HITS_SHOWN = 3


def models_of(store: Store) -> tuple[SearchService, Detector]:
    """The search with the models of the newest run, so that its vectors can be compared.

    Raises:
        ConfigError, ReidError: weights that cannot be used.
    """
    from pipeline.detector import Detector
    from pipeline.embedder import load_embedder
    from pipeline.search import SearchService

    runs = store.runs()
    config: dict[str, Any] = runs[0].config if runs else {}
    settings = config.get("detector", {})
    detector = Detector(settings.get("weights"), image_size=settings.get("image_size"))
    embedder = load_embedder(config.get("embedder", {}).get("weights"))
    return SearchService(store, embedder), detector


def check_subject(
    image: Path | None, wearing: str | None, *, person: int | None, whole: bool
) -> None:
    """Refuse options that ask for nobody, before the archive is opened.

    Raises:
        SearchError: neither a picture nor clothing, or a choice in a picture that is not given.
    """
    from pipeline.search_picture import SearchError

    if image is None and wearing is None:
        raise SearchError("search: give --image PICTURE, --wearing WORDS, or both")
    if image is None and (whole or person is not None):
        raise SearchError("search: --person and --whole need --image")


def search(
    store: Store,
    image: Path | None,
    where: SearchFilter,
    *,
    wearing: str | None,
    person: int | None,
    whole: bool,
    top: int,
) -> Result:
    """Find the person in a picture, or list those who wear something.

    Args:
        store: the archive.
        image: the picture; None, which `check_subject` has allowed, lists by clothing alone.
        where: cameras and time range.
        wearing: words about clothing, with commas between.
        person: which of the people in the picture, from 1, the largest first.
        whole: take the whole picture as the person.
        top: most identities to show.

    Raises:
        SearchError: a sentence for the operator.
    """
    from pipeline.search import detect_people, read_picture

    picture = None if image is None else read_picture(image)
    service, detector = models_of(store)
    if wearing is not None:
        where = _with_words(where, wearing_words(wearing, service.readout))
    if image is None or picture is None:
        listed = service.search_by_wearing(where, limit=20 * top, actor=actor())
        return _search_result(store, None, None, person, listed, top)
    people = None if whole else detect_people(picture, detector)
    box = None if people is None else people.boxes_xyxy[chosen_person(people, person, image)]
    found = service.search_by_image(picture, box, where=where, limit=20 * top, actor=actor())
    return _search_result(store, image, people, person, found, top)


def _with_words(where: SearchFilter, words: tuple[str, ...]) -> SearchFilter:
    from pipeline.search_wearing import PersonFilter

    return PersonFilter(where.cameras, where.start_s, where.end_s, wearing=words)


def chosen_person(people: PeopleInPicture, person: int | None, image: Path) -> int:
    """The row of the person to search for.

    Raises:
        SearchError: there are fewer people than that.
    """
    from pipeline.search import SearchError

    number = 1 if person is None else person
    if not 1 <= number <= len(people.boxes_xyxy):
        raise SearchError(
            f"--person {number}: {image.name} shows {len(people.boxes_xyxy)}; count from 1, "
            "the largest first"
        )
    return number - 1


def _search_result(
    store: Store,
    image: Path | None,
    people: PeopleInPicture | None,
    person: int | None,
    found: SearchResult,
    top: int,
) -> Result:
    zones = {camera.id: camera.timezone for camera in store.cameras()}
    groups = found.groups[:top]
    rows = [
        (
            str(rank),
            group.title,
            f"{hit.score:.3f}",
            hit.camera,
            f"{local_time(hit.start_s, zones.get(hit.camera, 'UTC'))}",
            f"{hit.end_s - hit.start_s:.1f}",
            hit.why.sentence(),
        )
        for rank, group in enumerate(groups, start=1)
        for hit in group.hits[:_HITS_SHOWN]
    ]
    count = 0 if people is None else len(people.boxes_xyxy)
    notes = [note for note in (people.notice if people else None, found.notice) if note]
    if image is not None and count > 1 and person is None:
        notes.append(f"{image.name} shows {count} people; --person 2 takes the next one.")
    data = {
        "image": None if image is None else str(image),
        "people": [] if people is None else people.boxes_xyxy.round(1).tolist(),
        **found.as_dict(),
        "groups": [group.as_dict() for group in groups],
        "notices": notes,
    }
    columns = (">rank", "person", ">score", "camera", "local time", ">seconds", "why")
    return Result(data, [*notes, *([Grid(columns, rows)] if rows else [])])


def search_filter(
    cameras: Sequence[str], start: str | None, end: str | None, known: Sequence[str]
) -> SearchFilter:
    """What `--camera`, `--from` and `--to` leave.

    Raises:
        SearchError: an unknown camera, or a time that is none or has no offset.
    """
    from pipeline.search import SearchError
    from storage.records import SearchFilter

    for camera in cameras:
        if camera not in known:
            names = ", ".join(known) or "none yet"
            raise SearchError(f"--camera {camera}: no such camera; known: {names}")
    times = _time_s("--from", start), _time_s("--to", end)
    return SearchFilter(list(cameras) or None, *times)


def wearing_words(text: str, readout: Readout | None) -> tuple[str, ...]:
    """The words of `--wearing "red upper, backpack"`, each once.

    Raises:
        SearchError: the archive's embedder has no read-out, there is no word, or an unknown one.
    """
    from pipeline.search import SearchError
    from pipeline.search_wearing import NO_READOUT

    if readout is None:
        raise SearchError(f"--wearing: {NO_READOUT}")
    words = (" ".join(part.lower().split()) for part in text.split(","))
    found = tuple(dict.fromkeys(word for word in words if word))
    known = ", ".join(readout.options)
    if not found:
        raise SearchError(f"--wearing: no word is given; known: {known}")
    for word in found:
        if word not in readout.options:
            raise SearchError(f"--wearing {word}: no such word; known: {known}")
    return found


def _time_s(option: str, text: str | None) -> float | None:
    from pipeline.search import SearchError

    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SearchError(
            f"{option} {text}: not an ISO 8601 time; write e.g. 2026-01-05T09:00:00+01:00"
        ) from None
    if time.utcoffset() is None:
        raise SearchError(
            f"{option} {text}: has no offset from UTC; add one, e.g. {time.isoformat()}+00:00 or Z"
        )
    return time.timestamp()
