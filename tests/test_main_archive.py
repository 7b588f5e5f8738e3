"""Commands on an archive: lists, search, export, evaluation, erasure, retention, audit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from storage.records import CameraInfo, LinkRecord
from storage.store import Store, sqlite_url
from storage.tracklets import Tracklet
from tests.pipeline.search_builders import (
    T0,
    ColourEmbedder,
    FixedDetector,
    crop,
    open_archive,
    tracklet,
)
from tests.test_main import Result, call

RUN = "run-1"
PEOPLE = 3


def seen(uuid: str, colour: str, camera: str, after_s: int) -> Tracklet:
    """A person, so many seconds after the recordings began at 10 frames per second."""
    made = tracklet(uuid, colour, camera, T0 + after_s)
    return replace(made, frame_indices=made.frame_indices + 10 * after_s)


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """Options that name an archive of three people in two cameras, red in both."""
    config = {"cameras": [{"id": "cam-1", "url": "demo:lobby"}, {"id": "cam-2", "url": "x"}]}
    cameras = [CameraInfo(f"cam-{n}", f"Door {n}", "", "Europe/Berlin") for n in (1, 2)]
    with open_archive(tmp_path) as store:
        store.begin_run(RUN, config, cameras)
        store.add_tracklets(
            [
                seen("red-1", "red", "cam-1", 0),
                seen("red-2", "red", "cam-2", 60),
                seen("green-1", "green", "cam-2", 120),
                seen("blue-1", "blue", "cam-1", 180),
            ],
            RUN,
        )
        store.apply_links(
            [
                LinkRecord("red-1", "new", identity_key="red"),
                LinkRecord("red-2", "linked", identity_key="red", probability=0.93),
                LinkRecord("green-1", "new", identity_key="green"),
                LinkRecord("blue-1", "new", identity_key="blue"),
            ]
        )
        store.finish_run(RUN, "finished")
    return ["--store", str(tmp_path / "store"), "--media", str(tmp_path / "media")]


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that see colours: two people in every picture, the left one larger."""
    boxes: list[tuple[float, float, float, float]] = [(0, 0, 32, 64), (40, 0, 60, 60)]
    monkeypatch.setattr("pipeline.embedder.load_embedder", lambda weights=None: ColourEmbedder())
    monkeypatch.setattr(
        "pipeline.detector.Detector", lambda weights=None, image_size=None: FixedDetector(boxes)
    )


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Red on the left, green on the right."""
    path = tmp_path / "picture.png"
    left, right = crop("red"), crop("green")
    cv2.imwrite(str(path), cv2.hconcat([left, right]))
    return path


def found(done: Result) -> Any:
    """The JSON object of a command that went well."""
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def store_of(place: list[str]) -> Store:
    return Store.open(sqlite_url(Path(place[1])), Path(place[3]), create=False)


def test_cameras_in_their_own_time(place: list[str]) -> None:
    table = call("cameras", *place).stdout
    assert "Door 1" in table
    assert "2026-01-05 09:00:00" in table  # eight o'clock UTC in Berlin
    rows = found(call("cameras", *place, "--json"))["cameras"]
    assert [(row["id"], row["tracklets"], row["identities"]) for row in rows] == [
        ("cam-1", 2, 2),
        ("cam-2", 2, 2),
    ]
    assert rows[0]["first_utc"] == "2026-01-05T08:00:00.000+00:00"


def test_identities(place: list[str]) -> None:
    rows = found(call("identities", *place, "--json"))["identities"]
    assert len(rows) == PEOPLE
    assert sorted(row["cameras"] for row in rows) == [["cam-1"], ["cam-1", "cam-2"], ["cam-2"]]
    assert "cam-1, cam-2" in call("identities", *place).stdout


def test_runs(place: list[str]) -> None:
    rows = found(call("runs", *place, "--json"))["runs"]
    assert [(row["uuid"], row["state"], row["tracklet_count"]) for row in rows] == [
        (RUN, "finished", 4)
    ]
    assert RUN in call("runs", *place).stdout


@pytest.mark.parametrize("command", ["cameras", "identities", "runs", "audit"])
def test_an_empty_archive_says_so(command: str, tmp_path: Path) -> None:
    Store.open(sqlite_url(tmp_path), tmp_path / "media").close()
    done = call(command, "--store", tmp_path)
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 1
    assert found(call(command, "--store", tmp_path, "--json")) == {command: []}


def test_another_database_by_url(place: list[str]) -> None:
    url = sqlite_url(Path(place[1]))
    rows = found(call("identities", "--db", url, "--media", place[3], "--json"))["identities"]
    assert len(rows) == PEOPLE


@pytest.mark.usefixtures("colours")
class TestSearch:
    """`search --image`."""

    def test_the_largest_person_is_searched_for(self, place: list[str], picture: Path) -> None:
        data = found(call("search", "--image", picture, *place, "--json"))
        assert len(data["people"]) == 2
        best = data["groups"][0]
        assert {hit["tracklet"] for hit in best["hits"]} == {"red-1", "red-2"}
        assert best["hits"][0]["why"]["sentence"]

    def test_another_person_of_the_picture(self, place: list[str], picture: Path) -> None:
        data = found(call("search", "--image", picture, "--person", 2, *place, "--json"))
        assert data["groups"][0]["hits"][0]["tracklet"] == "green-1"

    def test_the_whole_picture(self, place: list[str], tmp_path: Path) -> None:
        path = tmp_path / "crop.png"
        cv2.imwrite(str(path), crop("blue"))
        data = found(call("search", "--image", path, "--whole", *place, "--json"))
        assert data["people"] == []
        assert data["groups"][0]["hits"][0]["tracklet"] == "blue-1"

    def test_cameras_and_times_narrow(self, place: list[str], picture: Path) -> None:
        arguments = ["--camera", "cam-2", "--from", "2026-01-05T08:01:30Z"]
        data = found(call("search", "--image", picture, *arguments, *place, "--json"))
        hits = [hit["tracklet"] for group in data["groups"] for hit in group["hits"]]
        assert hits == ["green-1"]

    def test_top_limits_the_identities(self, place: list[str], picture: Path) -> None:
        data = found(call("search", "--image", picture, "--top", 1, *place, "--json"))
        assert len(data["groups"]) == 1

    def test_a_table_says_why(self, place: list[str], picture: Path) -> None:
        done = call("search", "--image", picture, *place)
        assert "shows 2 people; --person 2 takes the next one" in done.stdout
        assert "whole body" in done.stdout
        assert "2026-01-05 09:00:00" in done.stdout

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["--camera", "cam-9"], "--camera cam-9: no such camera; known: cam-1, cam-2"),
            (["--from", "yesterday"], "--from yesterday: not an ISO 8601 time"),
            (["--to", "2026-01-05T08:00"], "--to 2026-01-05T08:00: has no offset from UTC"),
            (["--person", "3"], "--person 3: picture.png shows 2; count from 1"),
            (["--person", "0"], "--person 0: picture.png shows 2; count from 1"),
            (
                ["--from", "2026-01-05T09:00Z", "--to", "2026-01-05T08:00Z"],
                "The time range ends before it begins",
            ),
        ],
    )
    def test_wrong_filters_are_one_line(
        self, place: list[str], picture: Path, arguments: list[str], expected: str
    ) -> None:
        done = call("search", "--image", picture, *arguments, *place, "--json")
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(expected)
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.parametrize(("content", "expected"), [(None, "cannot be read"), (b"x", "is not")])
    def test_what_is_no_picture(
        self, place: list[str], tmp_path: Path, content: bytes | None, expected: str
    ) -> None:
        path = tmp_path / "p.jpg"
        if content is not None:
            path.write_bytes(content)
        done = call("search", "--image", path, *place)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"p.jpg {expected}" in done.stderr

    def test_a_search_is_in_the_audit_log(self, place: list[str], picture: Path) -> None:
        call("search", "--image", picture, *place)
        line = found(call("audit", *place, "--json"))["audit"][0]
        assert line["action"] == "search"
        assert line["actor"].startswith("shell")
        assert "search" in call("audit", *place, "--limit", 1).stdout


def test_export_writes_each_camera_once(place: list[str], tmp_path: Path) -> None:
    out = tmp_path / "mot"
    data = found(call("export", "--mot", out, *place, "--json"))
    assert sorted(Path(file).name for file in data["files"]) == ["cam-1.txt", "cam-2.txt"]
    assert (out / "cam-1.txt").read_text().startswith("1,1,0.000,10.000,20.000,50.000")
    again = call("export", "--mot", out, *place)
    assert again.exit_code == 2
    assert "already there" in again.stderr
    assert call("export", "--mot", out, "--overwrite", *place).exit_code == 0
    actions = [line["action"] for line in found(call("audit", *place, "--json"))["audit"]]
    assert actions.count("export") == 2


@pytest.mark.parametrize("name", [RUN, "run", "all"])
def test_a_run_is_named_by_its_beginning(place: list[str], tmp_path: Path, name: str) -> None:
    assert call("export", "--mot", tmp_path / "mot", "--run", name, *place).exit_code == 0


def test_an_unknown_run_is_refused(place: list[str], tmp_path: Path) -> None:
    done = call("export", "--mot", tmp_path / "mot", "--run", "x", *place)
    assert done.exit_code == 2
    assert "--run x: there is no such run" in done.stderr
    assert not (tmp_path / "mot").exists()


def test_evaluate_against_its_own_export_is_perfect(place: list[str], tmp_path: Path) -> None:
    gt = tmp_path / "gt"
    call("export", "--mot", gt, *place)
    report = found(call("evaluate", "--gt", gt, *place, "--json"))
    assert report["cross_camera"]["idf1"] == 1
    assert {name: s["idf1"] for name, s in report["cameras"].items()} == {"cam-1": 1, "cam-2": 1}
    assert report["run"] == RUN
    table = call("evaluate", "--gt", gt, *place).stdout
    assert "across cameras" in table
    assert "100.0" in table


def test_evaluate_finds_a_person_with_two_identities(place: list[str], tmp_path: Path) -> None:
    gt = tmp_path / "gt"
    call("export", "--mot", gt, *place)
    with store_of(place) as store:
        store.apply_links([LinkRecord("red-2", "new", identity_key="somebody else")])
    report = found(call("evaluate", "--gt", gt, *place, "--json"))
    assert report["cross_camera"]["idf1"] < 1
    assert report["cameras"]["cam-1"]["idf1"] == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "no <camera>.txt with labelled boxes"),
        ({"cam-1.txt": "1,1,0"}, "cam-1.txt:1: 3 fields"),
        ({"cam-7.txt": "1,1,0,0,5,5"}, "no results for camera cam-7"),
    ],
)
def test_wrong_ground_truth_is_one_line(
    place: list[str], tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    gt = tmp_path / "gt"
    gt.mkdir()
    for name, text in files.items():
        (gt / name).write_text(text)
    done = call("evaluate", "--gt", gt, *place, "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_erasing_needs_a_yes(place: list[str]) -> None:
    done = call("erase", "--identity", 1, *place)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "identity 1 with 2 tracklets" in done.stderr
    assert "add --yes" in done.stderr
    assert len(found(call("identities", *place, "--json"))["identities"]) == PEOPLE


def test_erasing_reports_what_is_gone(place: list[str]) -> None:
    clips = Path(place[3]) / "clips"
    clips.mkdir()
    (clips / "old.webm").write_bytes(b"x")
    removed = found(call("erase", "--identity", 1, "--yes", *place, "--json"))["removed"]
    assert removed["identities"] == [1]
    assert (removed["tracklets"], removed["crops"], removed["clips"]) == (2, 4, 1)
    assert not list(clips.iterdir())
    assert len(found(call("identities", *place, "--json"))["identities"]) == PEOPLE - 1
    again = call("erase", "--identity", 1, "--yes", *place)
    assert again.exit_code == 2
    assert "there is no identity 1" in again.stderr


def test_retention_asks_and_then_removes_the_old(place: list[str]) -> None:
    done = call("retention", "--days", 1, *place)
    assert done.exit_code == 2
    assert "4 tracklets older than 1 days" in done.stderr
    table = call("retention", "--days", 1, "--yes", *place).stdout
    assert "tracklets" in table
    assert found(call("identities", *place, "--json")) == {"identities": []}
    assert found(call("retention", "--days", 1, "--yes", *place, "--json"))["removed"]["clips"] == 0


@pytest.mark.parametrize("days", ["-1", "nan", "inf"])
def test_a_senseless_number_of_days(place: list[str], days: str) -> None:
    done = call("retention", f"--days={days}", "--yes", *place)
    assert done.exit_code == 2
    assert "--days" in done.stderr
