"""Bad input to every command: one clear line, exit code 2, nothing on standard output or disk."""

from __future__ import annotations

import importlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import pytest

from storage.records import CameraInfo, LinkRecord
from storage.store import Store, sqlite_url
from tests.conftest import PROJECT
from tests.pipeline.search_builders import (
    RUN,
    T0,
    ColourEmbedder,
    FixedDetector,
    crop,
    open_archive,
    tracklet,
)
from tests.test_main import Result, call

ON_AN_ARCHIVE = {
    "identities": [],
    "cameras": [],
    "runs": [],
    "audit": [],
    "associate": [],
    "evaluate": ["--gt", "gt"],
    "export": ["--mot", "out"],
    "erase": ["--identity", "1", "--yes"],
    "retention": ["--days", "1", "--yes"],
    "search": ["--image", "picture.png"],
    "ui": [],
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder, temporary files beside it, and models that see colours."""
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.chdir(here)
    importlib.import_module("pipeline.site_model")  # with the real models, for the tests to come
    monkeypatch.setattr("pipeline.embedder.load_embedder", lambda weights=None: ColourEmbedder())
    monkeypatch.setattr(
        "pipeline.detector.Detector",
        lambda weights=None, image_size=None: FixedDetector([(0, 0, 32, 64)]),
    )


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """Options that name an archive of two people in one camera."""
    with open_archive(tmp_path) as store:
        config = {"cameras": [{"id": "cam-1", "url": "demo:lobby"}]}
        store.begin_run(RUN, config, [CameraInfo("cam-1", "Door", "", "Europe/Berlin")])
        store.add_tracklets([tracklet("red-1", "red"), tracklet("blue-1", "blue", "cam-1")], RUN)
        store.apply_links([LinkRecord("red-1", "new", identity_key="red")])
        store.finish_run(RUN, "finished")
    return ["--store", str(tmp_path / "store"), "--media", str(tmp_path / "media")]


def refused(done: Result) -> str:
    """The one line of a command that found bad input."""
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert "Traceback" not in line
    return line


def no_database(folder: Path) -> None:
    (folder / "crosswalk.db").write_bytes(b"holiday pictures " * 400)


def foreign(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "crosswalk.db")) as raw, raw:
        raw.execute("CREATE TABLE holidays (day TEXT)")


def newer(folder: Path) -> None:
    Store.open(sqlite_url(folder), folder / "media").close()
    with closing(sqlite3.connect(folder / "crosswalk.db")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")


def nothing_in_it(folder: Path) -> None:
    (folder / "crosswalk.db").touch()


def a_folder(folder: Path) -> None:
    (folder / "crosswalk.db").mkdir()


@pytest.mark.parametrize("command", ON_AN_ARCHIVE)
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (no_database, "not a database"),
        (foreign, "database of something else"),
        (newer, "newer version of Crosswalk (schema 9999)"),
        (nothing_in_it, "is empty, not an archive"),
        (a_folder, "is a folder, not an archive"),
    ],
)
def test_what_is_no_archive_is_named(
    tmp_path: Path, command: str, make: Callable[[Path], None], expected: str
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    make(store)
    line = refused(call(command, *ON_AN_ARCHIVE[command], "--store", store))
    assert line.startswith(str(store / "crosswalk.db"))
    assert expected in line
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    "make",
    [
        no_database,
        newer,
        pytest.param(foreign),
        pytest.param(nothing_in_it),
    ],
)
def test_what_is_no_archive_is_left_as_it_is(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path)
    file = tmp_path / "crosswalk.db"
    before = file.read_bytes()
    refused(call("cameras", "--store", tmp_path))
    assert file.read_bytes() == before


@pytest.mark.parametrize("command", ON_AN_ARCHIVE)
def test_a_file_in_place_of_the_store(tmp_path: Path, command: str) -> None:
    (tmp_path / "store").write_text("notes")
    line = refused(call(command, *ON_AN_ARCHIVE[command], "--store", tmp_path / "store"))
    assert "there is no archive here" in line
    assert (tmp_path / "store").read_text() == "notes"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///gone.db", "gone.db: there is no archive here"),
        ("sqlite:///:memory:", "an archive needs a file"),
        ("oracle://host/db", "no driver for oracle"),
        ("nonsense", "'nonsense' is not a database URL"),
    ],
)
def test_databases_that_cannot_be_opened(url: str, expected: str) -> None:
    line = refused(call("cameras", "--db", url, "--media", "media"))
    assert expected in line
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cams.yaml: file not found"),
        (b"\xff\xfe\x00", "cams.yaml: not a text file in UTF-8"),
        (b"", "cams.yaml: is empty"),
        (b"- a", "cams.yaml: is a list, not a mapping"),
        (b"cameras: [{id: a, url: gone.mp4}]", "cams.yaml: cameras[0].url: file not found"),
        (
            b"cameras: [{id: a, url: ., start_time: 2026-01-05T08:00:00}]",
            "cams.yaml: cameras[0].start_time: 2026-01-05T08:00:00 has no offset from UTC",
        ),
        (
            b"cameras: [{id: a, url: 'demo:lobby', neighbours: [{camera: b, transit_s: [1, 2]}]}]",
            "cams.yaml: cameras[0].neighbours[0].camera: no camera 'b'; known cameras: a",
        ),
    ],
)
@pytest.mark.parametrize("command", ["run", "associate", "ui"])
def test_configurations_that_cannot_be_used(
    place: list[str], command: str, content: bytes | None, expected: str
) -> None:
    if content is not None:
        Path("cams.yaml").write_bytes(content)
    line = refused(call(command, "--sources", "cams.yaml", *place))
    assert line.startswith(expected)


@pytest.mark.parametrize("command", ["run", "associate", "ui"])
def test_a_folder_as_configuration(place: list[str], tmp_path: Path, command: str) -> None:
    assert "is a folder; name a YAML file" in refused(call(command, "--sources", tmp_path, *place))


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        pytest.param(
            "cameras: [{id: a, url: '~nobody-of-that-name/a.mp4'}]",
            "cameras[0].url",
        ),
        pytest.param(
            "cameras: [{id: a, url: 'demo:lobby'}]\n"
            "embedder: {weights: '~nobody-of-that-name/w.safetensors'}",
            "embedder.weights",
        ),
        pytest.param(
            "cameras: [{id: a, url: ., start_time: '0001-01-01T00:00:00+14:00'}]",
            "cameras[0].start_time",
        ),
    ],
)
def test_far_fetched_settings_are_one_line_too(yaml: str, expected: str) -> None:
    Path("cams.yaml").write_text(yaml)
    assert f"cams.yaml: {expected}: " in refused(call("run", "--sources", "cams.yaml"))


class TestSearch:
    """`search` with pictures, people, cameras and times that make no sense."""

    @pytest.fixture(autouse=True)
    def picture(self) -> Path:
        """A red person."""
        path = Path("picture.png")
        cv2.imwrite(str(path), crop("red"))
        return path

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["--image", "gone.png"], "gone.png cannot be read: No such file or directory."),
            (["--image", "."], "cannot be read: Is a directory."),
            (["--image", "cut.png"], "cut.png is not a picture that can be read"),
            (["--image", "text.png"], "text.png is not a picture that can be read"),
            (["--image", "empty.png"], "empty.png is not a picture that can be read"),
            (["--image", "tiny.png", "--whole"], "too small to recognise anybody"),
            (["--image", "picture.png", "--camera", "roof"], "no such camera; known: cam-1, cam-2"),
            (["--image", "picture.png", "--camera", ""], "--camera : no such camera"),
            (["--image", "picture.png", "--person", "2"], "--person 2: picture.png shows 1"),
            (["--image", "picture.png", "--person", "-1"], "--person -1: picture.png shows 1"),
            (["--image", "picture.png", "--from", "2026-01-05"], "has no offset from UTC"),
            (["--image", "picture.png", "--to", "2026-01-05T09:00"], "+00:00 or Z"),
            (["--image", "picture.png", "--to", "tomorrow"], "--to tomorrow: not an ISO 8601 time"),
            (["--image", "picture.png", "--from", ""], "--from : not an ISO 8601 time"),
            (
                ["--image", "picture.png", "--from", "2026-02-30T09:00Z"],
                "--from 2026-02-30T09:00Z: not an ISO 8601 time",
            ),
            (
                [
                    *("--image", "picture.png"),
                    *("--from", "2026-01-05T09:00Z", "--to", "2026-01-05T09:30+01:00"),
                ],
                "The time range ends before it begins",
            ),
        ],
    )
    def test_it_is_said_in_one_line(
        self, place: list[str], picture: Path, arguments: list[str], expected: str
    ) -> None:
        Path("cut.png").write_bytes(picture.read_bytes()[:60])
        Path("text.png").write_text("not a picture")
        Path("empty.png").touch()
        cv2.imwrite("tiny.png", crop("red")[:4, :2])
        assert expected in refused(call("search", *arguments, *place, "--json"))

    def test_the_day_of_another_zone_is_understood(self, place: list[str]) -> None:
        span = ["--from", "2026-01-05T13:29:59+05:30", "--to", "2026-01-05T13:30:01+05:30"]
        done = call("search", "--image", "picture.png", *span, *place, "--json")
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["groups"]

    def test_a_range_in_which_nobody_was_seen_is_no_mistake(self, place: list[str]) -> None:
        done = call("search", "--image", "picture.png", "--to", "2020-01-01T00:00Z", *place)
        assert done.exit_code == 0
        assert "Nobody was seen by these cameras" in done.stdout

    def test_an_archive_without_anybody(self, tmp_path: Path) -> None:
        store = tmp_path / "store"
        Store.open(sqlite_url(store), store / "media").close()
        line = refused(call("search", "--image", "picture.png", "--store", store))
        assert "The archive holds no people yet; run" in line

    def test_an_archive_of_another_embedder(
        self, place: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pipeline.embedder.load_embedder", lambda _: ColourEmbedder("newer"))
        line = refused(call("search", "--image", "picture.png", *place))
        assert "set embedder.weights to the model of that time" in line

    def test_a_refused_search_is_in_the_audit_log(self, place: list[str]) -> None:
        span = ["--from", "2026-01-05T09:00Z", "--to", "2026-01-05T08:00Z"]
        refused(call("search", "--image", "picture.png", *span, *place))
        (line,) = json.loads(call("audit", *place, "--json").stdout)["audit"]
        assert line["action"] == "search"
        assert "ends before it begins" in line["details"]["refused"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["evaluate", "--gt", "gone"], "gone: no such folder of ground truth"),
        (["evaluate", "--gt", "file"], "file: no such folder of ground truth"),
        (["evaluate", "--gt", "empty"], "no <camera>.txt with labelled boxes"),
        (["evaluate", "--gt", "binary"], "cam-1.txt: cannot read it as text"),
        (["evaluate", "--gt", "ignored"], "there is no cam-1.txt beside it"),
        (["evaluate", "--gt", "blank"], "its files hold no labelled box"),
        (["evaluate", "--gt", "strangers"], "no results for camera roof"),
        (["evaluate", "--gt", "empty", "--run", "r"], "no <camera>.txt"),
        (["evaluate", "--gt", "empty", "--max-frame", "0"], "'--max-frame'"),
        (["export", "--mot", "file"], "file: cannot make this folder: File exists"),
        (["export", "--mot", "file/out"], "cannot make this folder: Not a directory"),
        (["export", "--mot", "out", "--run", "zzz"], "--run zzz: there is no such run"),
        (["erase", "--identity", "99"], "there is no identity 99"),
        (["erase", "--identity", "99", "--yes"], "there is no identity 99"),
        (["erase", "--identity", "0", "--yes"], "there is no identity 0"),
        (["erase", "--identity", "-1", "--yes"], "there is no identity -1"),
        (["erase", "--identity", "1.5", "--yes"], "'--identity'"),
        (["retention", "--days", "soon"], "'--days'"),
        (["retention", "--days=-0.5", "--yes"], "--days: must be a number of days"),
        (["audit", "--limit", "0"], "'--limit'"),
        (["ui", "--port", "70000"], "'--port'"),
        (["ui", "--host", "192.168.1.5"], "ui.host: 192.168.1.5 can be reached by others"),
    ],
)
def test_wrong_arguments_of_the_other_commands(
    place: list[str], arguments: list[str], expected: str
) -> None:
    Path("file").write_text("in the way")
    for name in ("empty", "binary", "ignored", "blank", "strangers"):
        Path(name).mkdir()
    Path("binary/cam-1.txt").write_bytes(b"\xff\xfe\x00")
    Path("ignored/ignore_cam-1.txt").write_text("1,1,0,0,5,5\n")
    Path("ignored/cam-2.txt").write_text("1,1,0,0,5,5\n")
    Path("blank/cam-1.txt").write_text("\n")
    Path("strangers/roof.txt").write_text("1,1,0,0,5,5\n")
    assert expected in refused(call(*arguments, *place))
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "arguments",
    [["erase", "--identity", str(10**20), "--yes"], ["audit", "--limit", str(10**20)]],
    ids=["erase", "audit"],
)
def test_numbers_beyond_the_databases(place: list[str], arguments: list[str]) -> None:
    done = call(*arguments, *place)
    assert done.exit_code in (0, 2), done.stderr
    assert "should not have happened" not in done.stderr


def test_a_run_whose_beginning_fits_several(place: list[str], tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path / "store"), tmp_path / "media") as store:
        store.begin_run("run-2", {}, [])
    for name in ("run", ""):
        line = refused(call("export", "--mot", "out", "--run", name, *place))
        assert f"--run {name}: 2 runs begin so" in line


def test_two_recordings_with_the_same_frames_cannot_be_one_file(
    place: list[str], tmp_path: Path
) -> None:
    with Store.open(sqlite_url(tmp_path / "store"), tmp_path / "media") as store:
        store.begin_run("next", {"cameras": [{"id": "cam-1"}]}, [])
        later = tracklet("later", "red", start_s=T0 + 900, source="/videos/other.mp4")
        store.add_tracklets([later], "next")
    line = refused(call("export", "--mot", "out", "--run", "all", *place))
    assert "have the same frame numbers; choose one run" in line
    assert not Path("out").exists()
    assert call("export", "--mot", "out", *place).exit_code == 0


@pytest.mark.parametrize(
    ("command", "expected"),
    [("evaluate", "there is no run in this archive yet"), ("export", "there is no run")],
)
def test_an_archive_without_runs(tmp_path: Path, command: str, expected: str) -> None:
    store = tmp_path / "store"
    Store.open(sqlite_url(store), store / "media").close()
    Path("gt").mkdir()
    assert expected in refused(call(command, *ON_AN_ARCHIVE[command], "--store", store))


def test_a_merged_person_is_erased_under_the_other_number(place: list[str], tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path / "store"), tmp_path / "media") as store:
        ids = store.apply_links([LinkRecord("blue-1", "new", identity_key="blue")])
        store.merge_identities(1, ids["blue"], "op")
    for more in ([], ["--yes"]):
        line = refused(call("erase", "--identity", ids["blue"], *more, *place))
        assert line == f"identity {ids['blue']} was merged into 1; erase that one"


def test_a_row_that_leads_out_of_the_media_folder_stops_an_erasure(
    place: list[str], tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("not a picture")
    with closing(sqlite3.connect(tmp_path / "store/crosswalk.db")) as raw, raw:
        raw.execute("UPDATE exemplar SET crop_path = '../secret.txt' WHERE id = 1")
    line = refused(call("erase", "--identity", 1, "--yes", *place))
    assert "'../secret.txt' is not a path inside the media folder" in line
    assert secret.exists()
    assert [row["id"] for row in found(call("identities", *place, "--json"))["identities"]] == [1]


def found(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("target", ["file", "file/inside"])
def test_a_folder_of_keys_that_cannot_be_made(target: str) -> None:
    Path("file").write_text("in the way")
    assert "file" in refused(call("keys", target))
    assert Path("file").read_text() == "in the way"


def test_resuming_with_other_sources(tmp_path: Path) -> None:
    from pipeline.config import load_config
    from pipeline.run_folder import create_run

    create_run(tmp_path / "store", load_config(PROJECT / "configs/demo.yaml"))
    Path("cams.yaml").write_text("cameras: [{id: lobby, url: 'demo:yard'}]")
    done = call("--sources", "cams.yaml", "--store", tmp_path / "store", "--resume")
    assert (done.exit_code, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert "cameras.lobby.url: is not what the run began with" in lines
    assert "start a new run without --resume" in lines[-1]
