"""An operator's search without a browser."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from demo_archive import T0, frame_boxes, render

from pipeline.search import SearchError
from storage.errors import StoreError
from ui.context import UNEXPECTED, Context, actor_of, attempt
from ui.search_session import (
    Filters,
    SearchSession,
    asking,
    heading,
    run,
    search_filter,
    with_picture,
    zone_hint,
)


def picture(folder: Path, view: str, frame: int) -> Path:
    """A frame of the demo as a file."""
    path = folder / f"{view}-{frame}.png"
    cv2.imwrite(str(path), render(view, frame)[0])
    return path


def test_a_picture_of_several_people_waits_for_a_choice(context: Context, tmp_path: Path) -> None:
    path = picture(tmp_path, "lobby", 30)
    session = with_picture(context, path)
    assert not path.exists()
    assert session.people is not None
    assert len(session.people.boxes_xyxy) == len(frame_boxes("lobby", 30)) == 2
    assert session.kind == ""
    with pytest.raises(SearchError, match="Upload a picture"):
        run(context, session, Filters(), "ada")
    asked = asking(session, "image", "1")
    assert asked.chosen == 1
    found = run(context, asked, Filters(), "ada")
    assert found.groups[0].hits[0].tracklet_uuid == "lobby-5"
    assert context.store.audit_log(1)[0].actor == "ada"


def test_a_picture_without_people_is_searched_whole(context: Context, tmp_path: Path) -> None:
    box = frame_boxes("lobby", 30)[0].astype(int)
    path = tmp_path / "crop.jpg"
    cv2.imwrite(str(path), render("lobby", 30)[0][box[1] : box[3], box[0] : box[2]])
    session = with_picture(context, path)
    assert session.kind == "image"
    assert session.people is not None
    assert "whole picture" in str(session.people.notice)
    assert run(context, session, Filters(), "a").groups[0].hits[0].tracklet_uuid == "lobby-1"


def test_a_bad_picture_is_removed_too(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("hello")
    with pytest.raises(SearchError, match=r"notes.jpg is not a picture"):
        with_picture(context, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("kind", "subject", "sentence"),
    [
        ("identity", "twelve", "Type the number"),
        ("identity", "-1", "Type the number"),
        ("identity", "9" * 30, "Type the number"),
        ("image", "0", "Choose one"),
        ("image", "x", "Choose one"),
    ],
)
def test_what_cannot_be_asked(kind: str, subject: str, sentence: str) -> None:
    with pytest.raises(SearchError, match=sentence):
        asking(SearchSession(), kind, subject)


def test_other_questions(context: Context) -> None:
    number = asking(SearchSession(), "identity", " 1 ")
    assert run(context, number, Filters(), "a").groups[0].identity_id == 1
    assert heading(number).startswith("Person 1")
    more = asking(number, "tracklet", "lobby-5")
    found = run(context, more, Filters(cameras=("yard",)), "a")
    assert {hit.camera for hit in found.hits} == {"yard"}
    assert heading(more) == "More like this"
    assert "picture" in heading(SearchSession(kind="image", subject="0"))


def test_filters_are_local_times(context: Context) -> None:
    where = search_filter(context, Filters(("lobby",), "2026-01-05 09:00:10", "2026-01-05"))
    assert where.start_s == pytest.approx(T0 + 10)
    assert where.cameras == ("lobby",)
    assert search_filter(context, Filters()).cameras is None
    assert "Europe/Berlin" in zone_hint(context, [])


def test_errors_become_sentences(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> str:
        raise ZeroDivisionError("secret detail")

    def refused() -> str:
        raise StoreError("there is no such thing")

    assert attempt(lambda: "fine") == ("fine", "")
    assert attempt(refused) == (None, "There is no such thing.")
    assert attempt(broken) == (None, UNEXPECTED)
    assert "secret detail" in caplog.text


def test_clips_are_played_or_explained(context: Context) -> None:
    html = context.play("lobby-1")
    assert "<video" in html
    assert "/clips/lobby-1-" in html
    assert "no tracklet x" in context.play("x")


def test_the_actor_is_the_login() -> None:
    class Request:
        username = "ada"

    assert actor_of(None) == "local"
    assert actor_of(Request()) == "ada"  # type: ignore[arg-type]
