"""What the people tab shows: the list, and one person's sightings on a timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.search_results import link_sentence, person_title
from storage.records import CameraRow, IdentityRow, LinkRecord, TrackletRow
from ui.html import count_of, empty, esc, file_url
from ui.times import local, span, zone_of

Cameras = Mapping[str, CameraRow]
MOST_SHOWN = 200


def identities_view(
    people: Sequence[IdentityRow], cameras: Cameras, media: Path, wanted: str, chosen: int | None
) -> str:
    """Return the people as cards, last seen first.

    Args:
        people: all identities.
        cameras: by id.
        media: the media folder.
        wanted: number or part of a name; empty shows all.
        chosen: the person that is open.
    """
    found = [row for row in people if matches(row, wanted)]
    if not found:
        text = f"No person matches {wanted!r}." if people else "No person has been identified yet."
        return empty(text)
    found.sort(key=lambda row: (-(row.last_s or 0.0), row.id))
    more = len(found) - MOST_SHOWN
    tail = empty(f"{more} more; type a number or a name above.") if more > 0 else ""
    cards = "".join(_person(row, cameras, media, row.id == chosen) for row in found[:MOST_SHOWN])
    return f'<div class="cw-people">{cards}</div>{tail}'


def matches(row: IdentityRow, wanted: str) -> bool:
    """Tell whether a number or a part of a name means this person."""
    text = wanted.strip().casefold()
    return not text or text == str(row.id) or text in (row.label or "").casefold()


def _person(row: IdentityRow, cameras: Cameras, media: Path, chosen: bool) -> str:
    zone = zone_of(cameras.values(), row.cameras)
    names = ", ".join(cameras[c].name if c in cameras else c for c in row.cameras) or "nowhere"
    crop = (
        f'<img alt="" loading="lazy" src="{esc(file_url(media / row.crop_path))}">'
        if row.crop_path
        else '<span class="cw-no-crop">no picture</span>'
    )
    sightings = count_of(row.tracklet_count, "sighting")
    return (
        f'<button type="button" class="cw-person{" cw-chosen" if chosen else ""}" '
        f'data-action="person" data-value="{row.id}">{crop}<span class="cw-facts">'
        f"<b>{esc(person_title(row.id, row.label))}</b><span>{esc(sightings)} · {esc(names)}</span>"
        f'<span class="cw-time">last {esc(local(row.last_s, zone))}</span></span></button>'
    )


def person_view(
    person: IdentityRow,
    rows: Sequence[TrackletRow],
    links: Mapping[str, LinkRecord],
    cameras: Cameras,
    media: Path,
    chosen: str | None,
) -> str:
    """Return one person: a timeline per camera and a picture of each sighting.

    Args:
        person: the identity.
        rows: its tracklets.
        links: why each of them is this person, by uuid.
        cameras: by id.
        media: the media folder.
        chosen: uuid of the sighting that is selected.
    """
    title = f"<h2>{esc(person_title(person.id, person.label))}</h2>"
    if not rows:
        return f'<div class="cw-heading">{title}</div>{empty("No sighting is left.")}'
    cards = "".join(
        _sighting(row, links.get(row.uuid), cameras, media, row.uuid == chosen) for row in rows
    )
    return (
        f'<div class="cw-heading">{title}<span>{count_of(len(rows), "sighting")}</span></div>'
        f"{_timeline(rows, cameras)}"
        f'<div class="cw-cards">{cards}</div>'
    )


def _timeline(rows: Sequence[TrackletRow], cameras: Cameras) -> str:
    """One line per camera, all on one time axis."""
    first, last = min(row.start_s for row in rows), max(row.end_s for row in rows)
    length = max(last - first, 1e-3)
    lines = []
    for camera in sorted({row.camera for row in rows}):
        name = cameras[camera].name if camera in cameras else camera
        zone = cameras[camera].timezone if camera in cameras else None
        bars = "".join(
            f'<button type="button" data-action="play" data-value="{esc(row.uuid)}" '
            f'style="left:{(row.start_s - first) / length:.2%};'
            f'width:max(4px,{(row.end_s - row.start_s) / length:.2%})" '
            f'title="{esc(span(row.start_s, row.end_s, zone))}"></button>'
            for row in rows
            if row.camera == camera
        )
        lines.append(f'<span>{esc(name)}</span><div class="cw-bars">{bars}</div>')
    zone = zone_of(cameras.values(), {row.camera for row in rows})
    return (
        f'<div class="cw-timeline">{"".join(lines)}<span></span><div class="cw-axis">'
        f"<i>{esc(local(first, zone))}</i><i>{esc(local(last, zone))}</i></div></div>"
    )


def _sighting(
    row: TrackletRow, link: LinkRecord | None, cameras: Cameras, media: Path, chosen: bool
) -> str:
    camera = cameras.get(row.camera)
    name, zone = (camera.name, camera.timezone) if camera else (row.camera, None)
    crop = f'src="{esc(file_url(media / row.crop_path))}"' if row.crop_path else ""
    why = link_sentence(link) if link else "no reason is stored"
    return (
        f'<article class="cw-card{" cw-chosen" if chosen else ""}"><button type="button" '
        f'class="cw-crop" data-action="play" data-value="{esc(row.uuid)}" title="Play the clip">'
        f'<img alt="" loading="lazy" {crop}></button><div class="cw-facts">'
        f'<div class="cw-camera">{esc(name)}</div>'
        f'<div class="cw-time">{esc(span(row.start_s, row.end_s, zone))}</div>'
        f'<div class="cw-why">{esc(why)}</div></div></article>'
    )
