"""The page in a real browser: searching, watching, deciding, and staying on this machine.

Set ``CROSSWALK_SCREENSHOTS`` to a folder to keep pictures of the page.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from demo_archive import render

from pipeline.config import UiConfig
from ui.context import Context
from ui.serve import serve

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
_UPLOAD = "#cw-upload input[type=file]"
_VIDEO = """
async (selector) => {
  const video = document.querySelector(selector + ' video');
  for (let n = 0; n < 100 && video.currentTime < 0.5; n++) {
    await new Promise((done) => setTimeout(done, 100));
  }
  return {time: video.currentTime, width: video.videoWidth, error: video.error?.message};
}
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, context: Context, config: UiConfig) -> Iterator[Any]:
    """The page, opened; at the end it must have asked no other server and met no error."""
    context.store.set_label(1, "Red jacket", "test")
    running = serve(context.store, context.service, context.detector, config, clips=context.clips)
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.set_default_timeout(30_000)
    asked: list[str] = []
    failed: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: failed.append(str(error)))
    tab.goto(running.url)
    tab.wait_for_selector("#cw-results .cw-empty")
    yield tab
    tab.close()
    running.close()
    allowed = (running.url, "data:", "blob:", running.url.replace("http", "ws"))
    assert not [url for url in asked if not url.startswith(allowed)]
    assert not failed


@pytest.fixture
def lobby(tmp_path: Path) -> Path:
    """A picture in which two people walk."""
    path = tmp_path / "lobby.png"
    cv2.imwrite(str(path), render("lobby", 30)[0])
    return path


def keep(page: Any, name: str) -> None:
    """Save a picture of the page if somebody wants one."""
    folder = os.environ.get("CROSSWALK_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(400)
        page.screenshot(path=f"{folder}/{name}.png")


def search(page: Any, picture: Path, person: int = 1) -> None:
    """Upload a picture and choose a person by number."""
    page.set_input_files(_UPLOAD, str(picture))
    page.click(f".cw-box[aria-label='person {person}']")
    page.wait_for_selector(".cw-card")


def test_from_a_picture_to_a_playing_clip(page: Any, lobby: Path, context: Context) -> None:
    search(page, lobby)
    first = page.locator("#cw-results section").first
    assert "Red jacket (person 1)" in first.inner_text()
    assert "Lobby" in first.inner_text()
    assert "2026-01-05 09:00:00" in first.inner_text()
    assert page.evaluate("document.querySelector('.cw-crop img').naturalWidth") > 10
    first.locator("summary").first.click()
    assert "whole body" in first.inner_text()
    first.locator("summary").first.click()
    first.locator(".cw-crop").first.click()
    page.wait_for_selector("#cw-player video")
    playing = page.evaluate(_VIDEO, "#cw-player")
    assert playing["error"] is None
    assert playing["width"] == 640
    assert playing["time"] >= 0.5
    keep(page, "search")
    lines = context.store.audit_log(5)
    assert [(line.actor, line.details["by"]) for line in lines if line.action == "search"] == [
        ("local", "image")
    ]


def test_another_person_more_like_this_and_filters(page: Any, lobby: Path) -> None:
    search(page, lobby, 2)
    first = page.locator("#cw-results .cw-card").first
    assert "Red jacket" not in page.locator("#cw-results section").first.inner_text()
    first.get_by_text("More like this").click()
    page.wait_for_selector("h2:has-text('More like this')")
    page.fill("#cw-from input, #cw-from textarea", "2026-01-05 09:00:20")
    page.click("#cw-again")
    page.wait_for_function("!document.querySelector('#cw-results').innerText.includes('09:00:00')")
    page.fill("#cw-from input, #cw-from textarea", "whenever")
    page.click("#cw-again")
    problem = page.wait_for_selector("#cw-results .cw-problem")
    assert "is not a time; write it like" in problem.inner_text()


def test_search_by_number(page: Any) -> None:
    page.fill("#cw-id input, #cw-id textarea", "1")
    page.press("#cw-id input, #cw-id textarea", "Enter")
    page.wait_for_selector("h2:has-text('Person 1 and who looks like them')")
    page.fill("#cw-id input, #cw-id textarea", "999")
    page.press("#cw-id input, #cw-id textarea", "Enter")
    problem = page.wait_for_selector("#cw-results .cw-problem")
    assert problem.inner_text() == "There is no identity 999."


def test_search_by_clothing(page: Any) -> None:
    page.click("#cw-wearing input")
    page.get_by_role("option", name="red upper clothing").click()
    page.keyboard.press("Escape")
    page.click("#cw-wearing-alone")
    page.wait_for_selector("h2:has-text('Who may wear that')")
    first = page.locator("#cw-results section").first
    assert "Red jacket (person 1)" in first.inner_text()
    assert "red upper 0.9" in first.inner_text() or "red upper 1.0" in first.inner_text()
    assert "sightings may fit: red upper." in page.inner_text("#cw-results .cw-notice")
    keep(page, "clothing")


def test_a_bad_picture_is_a_sentence(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("these are no pixels")
    page.set_input_files(_UPLOAD, str(path))
    problem = page.wait_for_selector("#cw-query .cw-problem")
    assert "is not a picture that can be read" in problem.inner_text()
    assert "Traceback" not in page.content()


def test_a_missing_recording_is_a_sentence(page: Any, context: Context) -> None:
    with context.store.database.write() as session:
        from sqlalchemy import update

        from storage import models

        gone = update(models.Tracklet).values(source="/gone/lobby.mp4")
        session.execute(gone)
    page.fill("#cw-id input, #cw-id textarea", "1")
    page.press("#cw-id input, #cw-id textarea", "Enter")
    page.locator(".cw-crop").first.click()
    problem = page.wait_for_selector("#cw-player .cw-problem")
    assert "/gone/lobby.mp4 is no longer there" in problem.inner_text()


def test_people_are_named_and_erased(page: Any, context: Context) -> None:
    page.get_by_role("tab", name="People").click()
    page.locator("#cw-people .cw-person", has_text="Red jacket").click()
    page.wait_for_selector(".cw-timeline")
    page.locator("#cw-person .cw-crop").first.click()
    page.wait_for_selector("#cw-person-player video")
    assert page.evaluate(_VIDEO, "#cw-person-player")["time"] >= 0.5
    keep(page, "people")
    page.fill("#cw-name input, #cw-name textarea", "Blue trousers")
    page.get_by_role("button", name="Rename").click()
    page.wait_for_selector("#cw-person h2:has-text('Blue trousers')")
    page.get_by_text("Erase this person").click()
    page.click("#cw-erase")
    assert "type 1 into" in page.wait_for_selector("#cw-message .cw-problem").inner_text().lower()
    page.fill("#cw-erase-number input, #cw-erase-number textarea", "1")
    page.click("#cw-erase")
    report = page.wait_for_selector("#cw-message .cw-notice:has-text('erased')").inner_text()
    assert re.search(r"Person 1 was erased: 3 sightings, \d+ vectors, \d+ pictures", report)
    assert 1 not in {row.id for row in context.store.identities()}


def test_a_sighting_is_taken_apart(page: Any, context: Context) -> None:
    page.get_by_role("tab", name="People").click()
    page.locator("#cw-people .cw-person", has_text="Red jacket").click()
    page.get_by_role("button", name="Is not this person").click()
    page.wait_for_selector("#cw-message .cw-problem:has-text('Choose one of the sightings')")
    page.locator("#cw-person .cw-crop").first.click()
    page.wait_for_selector("#cw-person-player video")
    page.get_by_role("button", name="Is not this person").click()
    page.wait_for_selector("#cw-message .cw-notice:has-text('Taken apart')")
    assert {decision.kind for decision in context.store.decisions()} == {"cannot_link"}


def test_cameras_with_counts(page: Any) -> None:
    page.get_by_role("tab", name="Cameras").click()
    table = page.wait_for_selector(".cw-table").inner_text()
    assert "3 cameras, 22 sightings" in page.inner_text("#cw-camera-table")
    assert re.search(r"Lobby\s+lobby\s+2026-01-05 09:00:00\s+2026-01-05 09:00:29", table)
    assert "Europe/Berlin" in table
    keep(page, "cameras")


def test_a_tall_picture_leaves_the_search_button_in_view(page: Any, tmp_path: Path) -> None:
    image = render("lobby", 30)[0]
    tall = cv2.copyMakeBorder(image, 0, image.shape[0] * 2, 0, 0, cv2.BORDER_REPLICATE)
    path = tmp_path / "tall.png"
    cv2.imwrite(str(path), tall)
    page.set_viewport_size({"width": 1366, "height": 768})
    page.set_input_files(_UPLOAD, str(path))
    page.wait_for_selector(".cw-box")
    keep(page, "tall")
    shown = page.locator(".cw-picture").bounding_box()
    picture = page.locator(".cw-picture img").bounding_box()
    button = page.locator("#cw-again").bounding_box()
    assert shown == pytest.approx(picture, abs=1), "the boxes are placed by shares of the picture"
    assert picture["height"] <= 0.26 * 768 + 1
    assert picture["width"] / picture["height"] == pytest.approx(
        tall.shape[1] / tall.shape[0], rel=0.02
    )
    assert button["y"] + button["height"] <= 768
