"""The page's HTML: what it says, and that nothing from outside is taken for HTML."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from demo_archive import HistogramEmbedder, render

from pipeline.search import PeopleInPicture, SearchResult
from storage.records import CameraRow
from storage.store import Store
from ui.camera_view import cameras_view
from ui.context import Context
from ui.html import button, count_of, esc, file_url, image_data, notice
from ui.identity_view import identities_view, matches, person_view
from ui.result_view import picture_view, results_view

NASTY = "<script>alert('x')</script>${value}{{a}}\""


def assert_harmless(html: str) -> None:
    """Neither tags nor templates of a name survive."""
    assert "<script" not in html
    assert "${" not in html
    assert "{{" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("text", ['"', "<b>", "${x}", "{{x}}", "'"])
def test_escaping(text: str) -> None:
    assert not set(esc(text)) & set("\"<>${}'")


def test_pieces() -> None:
    assert file_url(Path("/a b/ü.jpg")) == "gradio_api/file=/a%20b/%C3%BC.jpg"
    assert_harmless(button("more", NASTY, NASTY))
    assert notice(None) == ""
    wide = image_data(np.zeros((10, 4000, 3), np.uint8))
    assert wide.startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (0, ("sighting",), "0 sightings"),
        (1, ("sighting",), "1 sighting"),
        (2, ("person", "people"), "2 people"),
    ],
)
def test_counted_things(number: int, words: tuple[str, ...], expected: str) -> None:
    assert count_of(number, *words) == expected


def test_results_are_grouped_and_explained(context: Context) -> None:
    store = context.store
    store.set_label(1, NASTY, "test")
    result = context.service.search_by_identity(1)
    html = results_view(result, context.cameras(), context.media, "Person <1>")
    assert_harmless(html)
    assert html.count('class="cw-card"') == len(result.hits)
    assert html.count("<section") == len(result.groups)
    assert "Not assigned to a person" in html
    assert "identity linked (probability 0.90" in html
    assert "2026-01-05 09:00:00\u00a0–\u2060\u00a009:00:04" in html
    assert "Person &lt;1&gt;" in html
    assert "Nobody" in results_view(SearchResult(), {}, context.media, "x")


def test_people_of_a_picture_are_numbered() -> None:
    image = render("lobby", 30)[0]
    boxes = np.array([[64, 48, 128, 240], [0, 0, 640, 480]], np.float32)
    html = picture_view(image, PeopleInPicture(boxes, np.ones(2, np.float32)), 1)
    assert html.count('data-action="person"') == 2
    assert "left:10.00%;top:10.00%;width:10.00%;height:40.00%" in html
    assert html.count("cw-chosen") == 1
    assert "Click the person" in html


def test_cameras_with_counts(store: Store) -> None:
    html = cameras_view(store.cameras())
    assert "3 cameras, 22 sightings" in html
    assert "2026-01-05 09:00:29" in html
    row = CameraRow("c", NASTY, NASTY, "UTC", None, None, 0, 0)
    assert_harmless(cameras_view([row]))
    assert "No camera yet" in cameras_view([])


def test_people_are_listed_and_found(context: Context) -> None:
    store, cameras, media = context.store, context.cameras(), context.media
    store.set_label(2, "Ann Lee", "test")
    rows = store.identities()
    html = identities_view(rows, cameras, media, "", 2)
    assert html.count("cw-person") == len(rows)
    assert html.count("cw-chosen") == 1
    assert [row.id for row in rows if matches(row, "ann")] == [2]
    assert [row.id for row in rows if matches(row, " 3 ")] == [3]
    assert "No person matches" in identities_view(rows, cameras, media, "zzz", None)
    assert "No person has been identified" in identities_view([], cameras, media, "", None)
    many = [dataclasses.replace(rows[0], id=n, crop_path=None) for n in range(250)]
    assert "50 more" in identities_view(many, cameras, media, "", None)


def test_a_person_on_a_timeline(context: Context) -> None:
    store = context.store
    person = next(row for row in store.identities() if row.tracklet_count == 3)
    rows = store.tracklet_rows(identity=person.id)
    links = store.links([row.uuid for row in rows])
    named = dataclasses.replace(person, label=NASTY)
    html = person_view(named, rows, links, context.cameras(), context.media, rows[0].uuid)
    assert_harmless(html)
    assert html.count("cw-bars") == len({row.camera for row in rows})
    assert html.count('data-action="play"') == 2 * len(rows)
    assert html.count("cw-chosen") == 1
    assert "left:0.00%" in html
    gone = person_view(person, [], {}, {}, context.media, None)
    assert "No sighting is left" in gone


def test_the_test_embedder_tells_the_people_of_the_demo_apart(context: Context) -> None:
    assert HistogramEmbedder().embed([render("yard", 0)[0]]).global_features.shape[0] == 1
    found = context.service.search_by_tracklet("lobby-1")
    assert found.hits[0].tracklet_uuid == "yard-1"
