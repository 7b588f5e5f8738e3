"""Names, addresses and file names from outside stay text in everything the page shows."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clips import Clip
from pipeline.search import Group, Hit, SearchResult, Why
from storage.records import CameraRow, IdentityRow, LinkRecord, TrackletRow
from ui.camera_view import cameras_view
from ui.context import UNEXPECTED, actor_of, attempt
from ui.html import button, empty, esc, file_url, image_data, notice, problem
from ui.identity_view import identities_view, person_view
from ui.result_view import player_view, results_view

T0 = 1_767_600_000.0
MEDIA = Path("/media")
PLAIN = "plain"
PIECES = [*"<>&\"'`$/{}=;!-\\ \n\0aé東", "</p>", "<img onerror=x>", "${a}", "]]>", "<!--"]
nasty = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join).filter(str.strip)
some = settings(max_examples=30, deadline=None)


class Outline(HTMLParser):
    """Tags with the names of their attributes, and the text between them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    parser.close()
    return parser


def camera(text: str) -> CameraRow:
    return CameraRow("door", text, text, "UTC", T0, T0 + 5, 1, 1)


def row(text: str) -> TrackletRow:
    times = (T0, T0 + 1)
    return TrackletRow(
        text, text, "door", "run", *times, 1, 5, 0.9, 1, f"crops/{text}.jpg", text, 0.0, 25.0, "f"
    )


def person(text: str) -> IdentityRow:
    return IdentityRow(1, text, datetime.now(UTC), 1, ("door",), T0, T0 + 1, f"crops/{text}.jpg")


def results(text: str) -> SearchResult:
    why = Why(0.5, None, 0, 0, T0, LinkRecord("t", "linked", 1))
    hit = Hit(text, "door", T0, T0 + 1, f"crops/{text}.jpg", 0.9, why)
    return SearchResult((Group(1, text, (hit,)),))


PAGES = {
    "cameras": lambda text: cameras_view([camera(text)]),
    "people": lambda text: identities_view([person(text)], {"door": camera(text)}, MEDIA, "", 1),
    "person": lambda text: person_view(
        person(text), [row(text)], {}, {"door": camera(text)}, MEDIA, None
    ),
    "results": lambda text: results_view(results(text), {"door": camera(text)}, MEDIA, text),
    "player": lambda text: player_view(
        Clip(MEDIA / f"{text}.mp4", text, "door", T0, T0 + 1, text), {"door": camera(text)}
    ),
    "button": lambda text: button(text, text, text),
    "sentences": lambda text: empty(text) + problem(text) + notice(text),
}


@pytest.mark.parametrize("page", PAGES)
@some
@given(text=nasty)
def test_no_name_becomes_a_tag_or_an_attribute(page: str, text: str) -> None:
    shown, plain = PAGES[page](text), PAGES[page](PLAIN)
    assert outline(shown).tags == outline(plain).tags
    assert "${" not in shown, "the page's own templates"


@given(nasty)
def test_escaped_text_is_read_back_as_it_was(text: str) -> None:
    found = outline(f'<i title="{esc(text)}">{esc(text)}</i>')
    assert found.text.replace("\ufffd", "\0") == text
    assert found.tags == [("i", ("title",))]


@given(nasty)
def test_file_addresses_lead_back_to_the_file(text: str) -> None:
    address = file_url(MEDIA / text)
    assert address.startswith("gradio_api/file=")
    assert Path(unquote(address.removeprefix("gradio_api/file="))) == MEDIA / text
    assert not set(address) & set("<>\"' ?#&")


@pytest.mark.parametrize(
    ("size_hw", "expected"),
    [((10, 20), (10, 20)), ((1800, 900), (900, 450)), ((1, 5000), (1, 900)), ((3000, 1), (900, 1))],
)
def test_previews_are_bounded(size_hw: tuple[int, int], expected: tuple[int, int]) -> None:
    address = image_data(np.full((*size_hw, 3), 127, np.uint8))
    data = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[:2] == expected


def test_a_person_without_picture_camera_or_time() -> None:
    nobody = IdentityRow(4, None, datetime.now(UTC), 0, (), None, None, None)
    shown = outline(identities_view([nobody], {}, MEDIA, "", None))
    assert "Person 4" in shown.text
    assert "0 sightings" in shown.text
    assert "nowhere" in shown.text
    assert "no picture" in shown.text
    assert "img" not in {tag for tag, _ in shown.tags}


def test_people_seen_last_come_first() -> None:
    rows = [
        IdentityRow(n, None, datetime.now(UTC), 1, ("door",), T0, last, None)
        for n, last in ((1, T0), (2, T0 + 9), (3, None), (4, T0 + 9))
    ]
    text = outline(identities_view(rows, {}, MEDIA, "", None)).text
    order = [text.index(f"Person {n}") for n in (2, 4, 1, 3)]
    assert order == sorted(order)


def test_a_camera_that_is_configured_no_more_keeps_its_number() -> None:
    shown = outline(person_view(person("Ann"), [row("t")], {}, {}, MEDIA, None)).text
    assert "door" in shown
    assert "no reason is stored" in shown
    assert "UTC" in shown


@pytest.mark.parametrize(("name", "expected"), [(None, "local"), ("", "local"), ("ada", "ada")])
def test_who_asks(name: str | None, expected: str) -> None:
    assert actor_of(SimpleNamespace(username=name)) == expected  # type: ignore[arg-type]
    assert actor_of(None) == "local"


def test_an_error_that_nobody_foresaw_is_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise KeyError("/secret/path")

    assert attempt(fail) == (None, UNEXPECTED)
    assert "/secret/path" in caplog.text, "the log has the details"
    assert attempt(lambda: 3) == (3, "")
