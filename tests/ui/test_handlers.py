"""What the page's events answer, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import pytest
from demo_archive import frame_boxes, render

from pipeline.association.constraints import cannot_link
from pipeline.search import SearchService
from storage.errors import StoreError
from ui.context import UNEXPECTED, Context
from ui.identities_tab import _Chosen
from ui.identities_tab import _Handlers as PeopleHandlers
from ui.search_session import SearchSession
from ui.search_tab import _Handlers as SearchHandlers

FILTERS: tuple[Any, ...] = ([], "", "", [])


class Request:
    """A request of somebody who is signed in."""

    username = "ada"


class Event:
    """A click on something with an action and a value."""

    def __init__(self, action: str, value: str) -> None:
        self.action = action
        self.value = value


def picture(folder: Path, *, alone: bool) -> str:
    """A frame with two people, or one person cut out of it."""
    image = render("lobby", 30)[0]
    if alone:
        left, top, right, bottom = frame_boxes("lobby", 30)[0].astype(int)
        image = image[top:bottom, left:right]
    path = folder / "query.png"
    cv2.imwrite(str(path), image)
    return str(path)


@pytest.fixture
def search(context: Context) -> SearchHandlers:
    """The search tab's handlers."""
    return SearchHandlers(context)


@pytest.fixture
def people(context: Context) -> PeopleHandlers:
    """The people tab's handlers."""
    return PeopleHandlers(context)


def test_opening_offers_the_cameras(search: SearchHandlers) -> None:
    cameras, hint = search.opened()
    assert ("Lobby", "lobby") in cameras["choices"]
    assert "Europe/Berlin" in hint


def test_one_person_is_searched_at_once(search: SearchHandlers, tmp_path: Path) -> None:
    path = picture(tmp_path, alone=True)
    session, shown, results, player, number, upload = search.uploaded(path, Request(), *FILTERS)
    assert session.kind == "image"
    assert "cw-box cw-chosen" in shown
    assert "Person 1" in results
    assert "Choose a result" in player
    assert (number, upload) == ("", None)


def test_several_people_are_offered(search: SearchHandlers, tmp_path: Path) -> None:
    path = picture(tmp_path, alone=False)
    session, _, results, _, number, _ = search.uploaded(path, Request(), *FILTERS)
    assert "click the one to search for" in results
    assert number == ""
    asked, shown, results, _, number = search.chosen(
        session, Event("person", "1"), Request(), *FILTERS
    )
    assert asked.chosen == 1
    assert shown.count("cw-chosen") == 1
    assert "lobby-5" in results
    assert number == ""
    same, _, problem, _, number = search.chosen(session, Event("person", "7"), Request(), *FILTERS)
    assert same is session
    assert "Choose one of the numbered people" in problem
    assert number == gr.skip()


def test_a_bad_upload_keeps_nothing(search: SearchHandlers, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"nothing")
    session, problem, _, _, number, _ = search.uploaded(str(path), Request(), *FILTERS)
    assert session == SearchSession()
    assert "x.png is not a picture" in problem
    assert number == ""


def test_results_are_played_or_followed(search: SearchHandlers, context: Context) -> None:
    session = SearchSession()
    same, _, player, number = search.clicked(session, Event("play", "lobby-1"), Request(), *FILTERS)
    assert same is session
    assert "<video" in player
    assert number == gr.skip()
    asked, results, _, number = search.clicked(
        session, Event("more", "lobby-1"), Request(), *FILTERS
    )
    assert (asked.kind, asked.subject) == ("tracklet", "lobby-1")
    assert number == ""
    assert "yard-1" in results
    assert context.store.audit_log(1)[0].actor == "ada"


def test_searching_again(search: SearchHandlers) -> None:
    asked, results = search.by_number(SearchSession(), "1", Request(), *FILTERS)
    assert "lobby-1" in results
    _, narrowed = search.again(asked, "", Request(), ["yard"], "", "", [])
    assert "lobby-1" not in narrowed
    assert "yard-1" in narrowed
    fresh, results = search.again(SearchSession(), "2", Request(), *FILTERS)
    assert fresh.subject == "2"
    assert "cw-card" in results
    _, problem = search.again(SearchSession(), "", Request(), *FILTERS)
    assert "Upload a picture" in problem
    _, problem = search.by_number(SearchSession(), "two", Request(), *FILTERS)
    assert "Type the number" in problem


def test_a_typed_number_wins(search: SearchHandlers, tmp_path: Path) -> None:
    path = picture(tmp_path, alone=True)
    session = search.uploaded(path, Request(), *FILTERS)[0]
    asked, results = search.again(session, " 2 ", Request(), *FILTERS)
    assert (asked.kind, asked.subject) == ("identity", "2")
    assert "Person 2 and who looks like them" in results
    followed = search.clicked(asked, Event("more", "lobby-1"), Request(), *FILTERS)[0]
    asked, _ = search.again(followed, "1", Request(), *FILTERS)
    assert (asked.kind, asked.subject) == ("identity", "1")
    asked, results = search.again(followed, " ", Request(), *FILTERS)
    assert asked is followed
    assert "More like this" in results
    same, problem = search.again(followed, "two", Request(), *FILTERS)
    assert same is followed
    assert "Type the number" in problem


def test_an_unexpected_error_shows_no_detail(
    search: SearchHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(SearchService, "search_by_identity", fail)
    _, shown = search.by_number(SearchSession(), "1", Request(), *FILTERS)
    assert UNEXPECTED[:20] in shown
    assert "secret" not in shown


def test_people_are_listed_and_opened(people: PeopleHandlers) -> None:
    chosen, listed, shown, panel, _, _ = people.refresh(_Chosen(), "")
    assert chosen.person is None
    assert "Person 1" in listed
    assert "Choose a person" in shown
    assert panel["visible"] is False
    chosen, listed, shown, panel, other, *_ = people.open_person("", Event("person", "1"))
    assert chosen.person == 1
    assert "cw-timeline" in shown
    assert panel["visible"] is True
    assert 1 not in [value for _, value in other["choices"]]
    chosen, _, shown, *_, player, message = people.open_sighting(
        chosen, "", Event("play", "lobby-1")
    )
    assert chosen.sighting == "lobby-1"
    assert "cw-card cw-chosen" in shown
    assert "<video" in player
    assert message == ""


def never_beside(context: Context, person: int) -> int:
    """Somebody who was never in one camera with this person at one time."""
    mine = context.store.tracklets(identity=person)
    others = {
        row.id: context.store.tracklets(identity=row.id)
        for row in context.store.people()
        if row.id != person
    }
    return next(who for who, seen in others.items() if not cannot_link([*mine, *seen]).any())


def test_decisions_are_reported(people: PeopleHandlers, context: Context) -> None:
    chosen = _Chosen(1, "lobby-1")
    renamed = people.rename(chosen, "", "Ann", Request())
    assert "is now called Ann" in renamed[-2]
    assert "Ann (person 1)" in renamed[1]
    assert "Confirmed" in people.confirm(chosen, "", None, Request())[-2]
    assert "Taken apart" in people.apart(chosen, "", None, Request())[-2]
    assert "Choose the other person" in people.same(chosen, "", None, Request())[-2]
    together = people.same(chosen, "", 2, Request())
    assert "at the same time, so they are not one" in together[-2]
    other = never_beside(context, 1)
    merged = people.same(chosen, "", other, Request())
    assert f"Person {other} is the same as person 1" in merged[-2]
    assert {line.actor for line in context.store.audit_log(5)} == {"ada"}


def test_the_name_box_has_the_label_of_who_is_open(
    people: PeopleHandlers, context: Context
) -> None:
    def name(shown: tuple[Any, ...]) -> Any:
        return shown[5]

    context.store.set_label(1, "Red jacket", "test")
    assert name(people.refresh(_Chosen(), "")) == ""
    assert name(people.open_person("", Event("person", "1"))) == "Red jacket"
    assert name(people.open_person("", Event("person", "2"))) == ""
    chosen = _Chosen(1, "lobby-1")
    assert name(people.rename(chosen, "", "  Ann   B ", Request())) == "Ann B"
    assert name(people.rename(chosen, "", "", Request())) == ""
    context.store.set_label(1, "Ann", "test")
    assert name(people.apart(chosen, "", None, Request())) == "Ann"
    other = never_beside(context, 1)
    assert name(people.same(chosen, "", other, Request())) == "Ann"
    assert name(people.erase(chosen, "", "1", Request())) == ""


def test_a_name_that_is_being_typed_stays(people: PeopleHandlers) -> None:
    chosen = _Chosen(1)
    assert people.refresh(chosen, "lobby")[5] == gr.skip()
    assert people.open_sighting(chosen, "", Event("play", "lobby-1"))[5] == gr.skip()
    assert people.rename(chosen, "", "x" * 81, Request())[5] == gr.skip()
    assert people.refresh(_Chosen(999), "")[5] == ""


def test_an_erased_person_disappears(people: PeopleHandlers, context: Context) -> None:
    refused = people.erase(_Chosen(1), "", "", Request())
    assert refused[0].person == 1
    assert "cw-problem" in refused[-2]
    done = people.erase(_Chosen(1), "", "1", Request())
    assert done[0].person is None
    assert "was erased" in done[-2]
    assert "Choose a sighting" in done[-3]
    assert done[3] == gr.update(visible=False)
    assert 1 not in {row.id for row in context.store.identities()}
    assert "Choose a person first" in people.rename(_Chosen(), "", "x", Request())[-2]


def test_a_broken_archive_is_a_sentence(
    people: PeopleHandlers, search: SearchHandlers, context: Context, monkeypatch: Any
) -> None:
    def fail(*_: Any) -> None:
        raise StoreError("the archive is on a disk that is gone")

    monkeypatch.setattr(type(context.store), "cameras", fail)
    assert "disk that is gone." in people.refresh(_Chosen(1), "")[1]
    assert "disk that is gone." in search.hint([])
    assert "disk that is gone." in search.by_number(SearchSession(), "1", Request(), *FILTERS)[1]
