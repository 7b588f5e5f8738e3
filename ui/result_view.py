"""What the search tab shows: the picture with its people, the results, the clip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.clips import Clip
from pipeline.search import Group, Hit, PeopleInPicture, SearchResult, Why
from storage.records import CameraRow
from ui.html import button, count_of, empty, esc, file_url, image_data, notice
from ui.times import span

Cameras = Mapping[str, CameraRow]


def picture_view(image_bgr: NDArray[np.uint8], people: PeopleInPicture, chosen: int | None) -> str:
    """Return the (H, W, 3) uint8 BGR query picture with a numbered button over each person."""
    height, width = image_bgr.shape[:2]
    boxes = "".join(
        _box_button(number, box / np.array([width, height, width, height]), number == chosen)
        for number, box in enumerate(people.boxes_xyxy)
    )
    several = len(people.boxes_xyxy) > 1
    hint = "Click the person to search for." if several else None
    return (
        f'<div class="cw-picture"><img alt="your picture" src="{image_data(image_bgr)}">{boxes}'
        f"</div>{notice(people.notice or hint)}"
    )


def _box_button(number: int, share_xyxy: NDArray[np.float32], chosen: bool) -> str:
    left, top, right, bottom = (float(edge) for edge in np.clip(share_xyxy, 0, 1))
    place = f"left:{left:.2%};top:{top:.2%};width:{right - left:.2%};height:{bottom - top:.2%}"
    style = "cw-box cw-chosen" if chosen else "cw-box"
    return (
        f'<button type="button" class="{style}" style="{place}" data-action="person" '
        f'data-value="{number}" aria-label="person {number + 1}"><b>{number + 1}</b></button>'
    )


def results_view(result: SearchResult, cameras: Cameras, media: Path, heading: str) -> str:
    """Return the groups of a search, best first."""
    if not result.groups:
        return empty(result.notice or "Nobody was found.")
    people = sum(group.identity_id is not None for group in result.groups)
    loose = len(result.groups) - people
    counted = [count_of(len(result.hits), "sighting"), count_of(people, "person", "people")]
    if loose:
        counted.append(count_of(loose, "unassigned track"))
    groups = "".join(_group(group, cameras, media) for group in result.groups)
    return (
        f'<div class="cw-heading"><h2>{esc(heading)}</h2><span>{", ".join(counted)}, '
        f"best first</span></div>{notice(result.notice)}{groups}"
    )


def _group(group: Group, cameras: Cameras, media: Path) -> str:
    cards = "".join(_card(hit, cameras, media) for hit in group.hits)
    style = "cw-group" if group.identity_id is not None else "cw-group cw-loose"
    return (
        f'<section class="{style}"><header><h3>{esc(group.title)}</h3>'
        f'<span class="cw-score">best {group.score:.2f}</span></header>'
        f'<div class="cw-cards">{cards}</div></section>'
    )


def _card(hit: Hit, cameras: Cameras, media: Path) -> str:
    camera = cameras.get(hit.camera)
    name, zone = (camera.name, camera.timezone) if camera else (hit.camera, None)
    why = hit.why
    share = f"{max(0.0, min(1.0, hit.score)):.0%}"
    return (
        f'<article class="cw-card"><button type="button" class="cw-crop" data-action="play" '
        f'data-value="{esc(hit.tracklet_uuid)}" title="Play the clip">'
        f'<img alt="" loading="lazy" src="{esc(file_url(media / hit.crop_path))}"></button>'
        f'<div class="cw-facts"><div class="cw-camera">{esc(name)}</div>'
        f'<div class="cw-time">{esc(span(hit.start_s, hit.end_s, zone))}</div>'
        f'<div class="cw-meter" title="score {hit.score:.3f}"><i style="width:{share}"></i>'
        f"<b>{hit.score:.2f}</b></div>"
        f'<details class="cw-why"><summary>{esc(_short(why))}</summary>'
        f"{esc(why.sentence())}</details>"
        f"{button('more', hit.tracklet_uuid, 'More like this')}</div></article>"
    )


def _short(why: Why) -> str:
    """The evidence in a few characters."""
    if why.global_similarity is None:
        return why.worn()
    parts = "–" if why.part_distance is None else f"{why.part_distance:.2f}"
    return f"body {why.global_similarity:.2f} · parts {parts}"


def player_view(clip: Clip, cameras: Cameras) -> str:
    """Return a player that starts by itself."""
    camera = cameras.get(clip.camera)
    name, zone = (camera.name, camera.timezone) if camera else (clip.camera, None)
    kind = "video/mp4" if clip.path.suffix == ".mp4" else "video/webm"
    return (
        '<div class="cw-player"><video controls autoplay muted loop playsinline>'
        f'<source src="{esc(file_url(clip.path))}" type="{kind}"></video>'
        f"<h3>{esc(clip.title)}</h3><p>{esc(name)}, {esc(span(clip.start_s, clip.end_s, zone))}"
        f"{f' ({esc(zone)})' if zone else ''}</p></div>"
    )
