"""The parts behind the commands: places, logs, tables, JSON, the page's settings."""

from __future__ import annotations

import io
import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import cli_docs, cli_session
from pipeline.cli_archive import stored_config
from pipeline.cli_errors import UnexpectedError, exit_codes, logged, operator_text
from pipeline.cli_output import Grid, Result, iso_time, local_time, show
from pipeline.cli_run import camera_grid, problems, stage_grid
from pipeline.cli_session import Place, logging_to, own_stdout, session
from pipeline.cli_ui import ui_config
from pipeline.config import ConfigError
from pipeline.summary import RunSummary
from pipeline.tally import CameraTotals
from storage.errors import StoreError
from storage.store import Store, sqlite_url
from tests.test_main import call


class TestPlace:
    """`--store`, `--db` and `--media`."""

    def test_the_default_needs_no_options_again(self) -> None:
        place = Place.of(Path("store"))
        assert place.command("ui") == "python main.py ui"
        assert (place.media, place.log_file) == (
            Path("store/media"),
            Path("store/logs/crosswalk.log"),
        )

    def test_options_are_repeated_and_quoted(self) -> None:
        place = Place.of(Path("my store"), media=Path("pics"))
        assert place.command("ui") == "python main.py ui --store 'my store' --media pics"

    def test_a_password_is_not_repeated(self) -> None:
        place = Place.of(Path("store"), "postgresql://me:secret@host/db", Path("pics"))
        assert "secret" in place.url
        assert "secret" not in place.command("ui")
        assert place.elsewhere

    def test_a_database_elsewhere_needs_its_pictures(self) -> None:
        with pytest.raises(StoreError, match="add --media DIR"):
            Place.of(Path("store"), "postgresql://host/db")

    def test_a_question_mark_cannot_be_in_a_url(self) -> None:
        with pytest.raises(StoreError, match="cannot have"):
            Place.of(Path("what?"))


class TestShow:
    """Results as text and as JSON."""

    RESULT = Result(
        {"at": datetime(2026, 1, 5, tzinfo=UTC), "path": Path("x"), "n": np.float32(0.5)},
        [Grid(("name", ">count"), [("[bold]Ä", "7")], "Title"), "a sentence"],
    )

    def shown(self, *, as_json: bool) -> str:
        stream = io.StringIO()
        show(self.RESULT, stream, as_json=as_json)
        return stream.getvalue()

    def test_json_is_one_object(self) -> None:
        found = json.loads(self.shown(as_json=True))
        assert found == {"at": "2026-01-05T00:00:00+00:00", "path": "x", "n": 0.5}

    def test_tables_have_titles_and_take_brackets_literally(self) -> None:
        text = self.shown(as_json=False)
        assert text.splitlines()[0] == "Title"
        assert "[bold]Ä" in text
        assert text.rstrip().endswith("a sentence")

    def test_what_is_no_json_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="object is not JSON"):
            show(Result({"x": object()}, ()), io.StringIO(), as_json=True)

    def test_long_lines_are_not_broken_in_a_pipe(self) -> None:
        stream = io.StringIO()
        show(Result({}, ["x" * 500]), stream, as_json=False)
        assert stream.getvalue() == "x" * 500 + "\n"


@pytest.mark.parametrize(
    ("time_s", "zone", "expected"),
    [
        (None, "UTC", "–"),
        (0.0, "UTC", "1970-01-01 00:00:00"),
        (1_767_600_000.0, "Europe/Berlin", "2026-01-05 09:00:00"),
    ],
)
def test_local_times(time_s: float | None, zone: str, expected: str) -> None:
    assert local_time(time_s, zone) == expected


def test_iso_times() -> None:
    assert iso_time(None) is None
    assert iso_time(1_767_600_000.25) == "2026-01-05T08:00:00.250+00:00"


class TestStdout:
    """Standard output belongs to the command."""

    def test_prints_of_others_go_to_standard_error(self, capfd: pytest.CaptureFixture[str]) -> None:
        with own_stdout() as ours:
            sys.stdout.write("noise\n")
            ours.write("result\n")
            ours.flush()
        sys.stdout.write("after\n")
        out, err = capfd.readouterr()
        assert out == "result\nafter\n"
        assert err == "noise\n"

    def test_it_is_given_back_after_an_error(self, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(KeyError), own_stdout():
            raise KeyError
        sys.stdout.write("after\n")
        assert capfd.readouterr().out == "after\n"


class TestLogs:
    """Lines for people, details for the file."""

    def test_tracebacks_are_for_the_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log = tmp_path / "logs" / "crosswalk.log"
        with logging_to(log, logging.WARNING, create=True):
            try:
                raise ValueError("inner")
            except ValueError:
                logging.getLogger("test").exception("it broke")
            logging.getLogger("test").info("a detail")
        err = capsys.readouterr().err
        assert err == "error: it broke\n"
        text = log.read_text()
        assert "ValueError: inner" in text
        assert "a detail" in text

    def test_no_line_no_folder(self, tmp_path: Path) -> None:
        with logging_to(tmp_path / "logs" / "x.log", logging.INFO, create=True):
            pass
        assert not list(tmp_path.iterdir())

    def test_a_command_that_only_reads_makes_no_folder(self, tmp_path: Path) -> None:
        with logging_to(tmp_path / "logs" / "x.log", logging.ERROR, create=False):
            logging.getLogger("test").warning("odd")
        assert not list(tmp_path.iterdir())

    def test_a_log_that_cannot_be_written_stops_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "logs").write_text("in the way")
        with logging_to(tmp_path / "logs" / "x.log", logging.WARNING, create=True):
            logging.getLogger("test").warning("odd")
        assert capsys.readouterr().err == "warning: odd\n"

    def test_handlers_are_taken_away(self, tmp_path: Path) -> None:
        before = list(logging.getLogger().handlers)
        with logging_to(tmp_path / "x.log", logging.INFO, create=True):
            assert logging.getLogger().handlers != before
        assert logging.getLogger().handlers == before


class TestErrors:
    """From exceptions to sentences."""

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (StoreError("no archive"), "no archive"),
            (ConfigError("a.yaml: x: wrong"), "a.yaml: x: wrong"),
            (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
            (OSError("something"), None),
            (ValueError("a bug"), None),
        ],
    )
    def test_which_errors_are_for_the_operator(
        self, error: Exception, expected: str | None
    ) -> None:
        assert operator_text(error) == expected

    def test_details_go_where_they_can(self, tmp_path: Path) -> None:
        unwritable = tmp_path / "no" / "folder.log"
        text = str(logged(ValueError("two\nlines"), unwritable))
        place = Path(text.rsplit(" ", 1)[1].rstrip("."))
        assert "(ValueError: two)" in text
        assert "two\nlines" in place.read_text()
        place.unlink()

    @pytest.mark.parametrize(
        ("error", "code", "text"),
        [
            (StoreError("no archive"), 2, "no archive\n"),
            (UnexpectedError("a sentence"), 1, "a sentence\n"),
            (KeyboardInterrupt(), 130, "Interrupted.\n"),
            (SystemExit(7), 7, ""),
        ],
    )
    def test_exit_codes(
        self, error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as left, exit_codes():
            raise error
        assert left.value.code == code
        assert capsys.readouterr() == ("", text)

    def test_a_session_closes_its_archive(self, tmp_path: Path) -> None:
        Store.open(sqlite_url(tmp_path), tmp_path / "media").close()
        closed = []
        with session(tmp_path, None, None, False) as current:
            store = current.store()
            store.close = lambda: closed.append(True)  # type: ignore[method-assign]
        assert closed == [True]


def test_who_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_session.getpass, "getuser", lambda: "ann")
    assert cli_session.actor() == "shell:ann"

    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr(cli_session.getpass, "getuser", nobody)
    assert cli_session.actor() == "shell"


SUMMARY = RunSummary(
    "run",
    "failed",
    (
        CameraTotals("a", "finished", frames=10, frames_here=10, tracklets=2, wall_s=2.0,
                     stage_s={"detect": 3.0, "track": 1.0}),
        CameraTotals("b", "failed", live=True, dropped=4, warnings=("camera b: gone",)),
    ),
    wall_s=2.0,
    warnings=("worker-0 crashed", "camera b: gone"),
)  # fmt: skip


def test_camera_table() -> None:
    assert camera_grid(SUMMARY).rows == [
        ("a", "finished", "10", "5.0", "2", "–", "0"),
        ("b", "failed", "0", "0.0", "0", "4", "1"),
    ]


def test_stage_table_is_sorted_by_time() -> None:
    assert stage_grid(SUMMARY.stage_s, SUMMARY).rows == [
        ("detect", "3.0", "75 %", "300.00"),
        ("track", "1.0", "25 %", "100.00"),
    ]
    assert stage_grid({}, RunSummary("run", "failed", (), 0.0)).rows == []


def test_problems_are_said_once() -> None:
    assert problems(SUMMARY) == ["camera b: gone", "worker-0 crashed"]
    assert problems(SUMMARY, {"camera b: gone"}) == ["worker-0 crashed"]


class TestUi:
    """`ui` without a browser."""

    def test_options_are_on_top_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "c.yaml"
        path.write_text("cameras: [{id: a, url: demo:lobby}]\nui: {port: 8000}")
        assert ui_config(path, None, None).port == 8000
        assert ui_config(path, "127.0.0.2", 9000).model_dump() == {
            "host": "127.0.0.2",
            "port": 9000,
            "username": None,
            "password_env": None,
        }
        assert ui_config(None, None, None).host == "127.0.0.1"

    def test_an_open_address_needs_a_login(self) -> None:
        with pytest.raises(ConfigError, match=r"ui\.host: 0\.0\.0\.0 .* --sources"):
            ui_config(None, "0.0.0.0", None)

    def test_the_command_serves_until_the_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Store.open(sqlite_url(tmp_path), tmp_path / "media").close()
        calls: list[Any] = []

        class Page:
            url = "http://127.0.0.1:9000/"

            def wait(self) -> None:
                calls.append("waited")

            def load(self) -> None:
                calls.append("loaded")

        def serve(
            store: Store, service: object, detector: object, config: Any, **more: Any
        ) -> Page:
            calls.append((config.port, more["open_browser"]))
            return Page()

        monkeypatch.setattr("ui.serve.serve", serve)
        monkeypatch.setattr("pipeline.cli_search.models_of", lambda store: (None, Page()))
        done = call("ui", "--store", tmp_path, "--port", 9000, "--browser")
        assert done.exit_code == 0, done.stderr
        assert done.stdout == "http://127.0.0.1:9000/  (Ctrl-C ends it)\n"
        assert calls == ["loaded", (9000, True), "waited"]


def test_association_can_be_repeated_without_the_recordings(tmp_path: Path) -> None:
    camera = {
        "id": "a",
        "name": "A",
        "url": "/recordings/that/moved.mp4",
        "start_time": "2026-01-05T09:00:00Z",
        "timezone": "Europe/Berlin",
        "fps_cap": None,
        "neighbours": [{"camera": "b", "transit_s": [1, 5]}],
        "clock_offset_s": 2.0,
    }
    kept = {
        "cameras": [camera, {**camera, "id": "b", "neighbours": []}],
        "association": {"link_probability": 0.7, "window_s": 60},
        "ui": {"username": "***"},
    }
    with Store.open(sqlite_url(tmp_path), tmp_path / "media") as store:
        store.begin_run("run-1", kept, [])
        config = stored_config(store)
    assert config.association.link_probability == 0.7
    assert config.camera("a").neighbours[0].transit_s == (1, 5)
    assert config.camera("a").clock_offset_s == 2.0


def test_reference_pages_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_docs, "DOCS", tmp_path)
    done = call("docs")
    assert done.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"COMMANDS.md", "CONFIGURATION.md"}
    assert "## `python main.py search`" in (tmp_path / "COMMANDS.md").read_text()
