"""The command line as people meet it: help, wrong input, clean output, unforeseen errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from main import app
from pipeline import cli_tools
from pipeline.cli_errors import OPERATOR_ERRORS
from tests.conftest import PROJECT

COMMANDS = [
    *("run", "associate", "evaluate", "export"),
    *("ui", "search", "identities", "cameras", "runs"),
    *("erase", "retention", "audit"),
    *("reid", "track-eval", "demo-gt", "keys", "version"),
]


def call(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def shell(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a program of its own."""
    return subprocess.run(
        [sys.executable, "main.py", *map(str, arguments)],
        cwd=PROJECT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def yaml(folder: Path, text: str, name: str = "cams.yaml") -> Path:
    """Write a configuration."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_help_names_every_command_and_the_panels() -> None:
    done = shell("--help", COLUMNS="100", NO_COLOR="1")
    assert (done.returncode, done.stderr) == (0, "")
    for command in COMMANDS:
        assert f"│ {command} " in done.stdout
    for text in ("The job", "Search and look", "Privacy", "Examples:", "Exit codes:"):
        assert text in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = call(command, "--help")
    assert done.exit_code == 0
    assert "Usage:" in done.stdout
    assert "--help" in done.stdout


def test_nothing_at_all_shows_the_help() -> None:
    done = call()
    assert done.exit_code == 0
    assert "--sources" in done.stdout


def test_help_does_not_load_the_models() -> None:
    code = "import sys, main; print(sorted({'torch', 'cv2', 'gradio'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--bogus"], "No such option: --bogus"),
        (["nosuch"], "No such command 'nosuch'"),
        (["run"], "--sources: missing"),
        (["--store", "x"], "--sources: missing"),
        (["search"], "search: give --image PICTURE, --wearing WORDS, or both"),
        (["erase", "--identity", "one"], "'--identity'"),
        (["search", "--image", "p.jpg", "--top", "0"], "'--top'"),
        (["--workers", "2", "cameras"], "--workers is not an option of cameras"),
        (["cameras", "--db", "sqlite:///x.db"], "--db: add --media DIR"),
        (["cameras", "--db", "nonsense", "--media", "m"], "'nonsense' is not a database URL"),
        (["ui", "--host", "0.0.0.0"], "ui.host: 0.0.0.0 can be reached by others"),
        (["ui", "--sources", "nosuch.yaml"], "nosuch.yaml: file not found"),
    ],
)
def test_wrong_options_are_one_line(
    arguments: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "cams.yaml: is empty"),
        ("cameras: []", "cams.yaml: cameras: no cameras"),
        ("cameras: [{id: a, url: /no/such.mp4}]", "cams.yaml: cameras[0].url: file not found"),
        ("cameras: [{id: a, url: demo:lobby, nam: A}]", "cams.yaml: cameras[0].nam: unknown key"),
        ("cameras: [{id: a, url: demo:lobby}]\nworkers: 0", "cams.yaml: workers: must be 1"),
        ("cameras: [", "cams.yaml: line 1"),
    ],
)
def test_a_wrong_configuration_names_file_and_key(tmp_path: Path, text: str, expected: str) -> None:
    store = tmp_path / "store"
    done = call("--sources", yaml(tmp_path, text), "--store", store, "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(expected)
    assert not store.exists()


@pytest.mark.slow
def test_every_problem_of_a_configuration_has_its_line(tmp_path: Path) -> None:
    text = "cameras:\n  - {id: a, url: demo:lobby, colour: red}\n  - {id: a, url: /no/such.mp4}\n"
    done = shell("--sources", yaml(tmp_path, text), "--store", tmp_path / "store")
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        "cameras[0].colour",
        "cameras[1].url",
        "cameras[1].id",
    ]


def test_resuming_without_a_run_leaves_nothing_behind(tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = call("--sources", PROJECT / "configs/demo.yaml", "--store", store, "--resume")
    assert done.exit_code == 2
    assert "no unfinished run to resume" in done.stderr
    assert not store.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["identities"],
        ["cameras"],
        ["runs"],
        ["audit"],
        ["associate"],
        ["evaluate", "--gt", "gt"],
        ["export", "--mot", "out"],
        ["erase", "--identity", "1", "--yes"],
        ["retention", "--days", "1", "--yes"],
        ["search", "--image", "p.jpg"],
        ["ui"],
    ],
)
def test_a_missing_archive_is_not_made(arguments: list[str], tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = call(*arguments, "--store", store)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "there is no archive here" in done.stderr
    assert f"--store {store}" in done.stderr
    assert not store.exists()


def test_options_before_a_command_are_the_commands(tmp_path: Path) -> None:
    done = call("--store", tmp_path / "here", "cameras")
    assert f"{tmp_path / 'here'}/crosswalk.db" in done.stderr


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    done = call("--sources", PROJECT / "configs/demo.yaml", "--store", file / "store")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"{file / 'store'}: {file} is not a folder"]


def test_a_folder_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    done = call("--sources", PROJECT / "configs/demo.yaml", "--store", tmp_path / "new" / "store")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        f"{tmp_path / 'new' / 'store'}: {tmp_path} cannot be written"
    )
    assert not (tmp_path / "new").exists()


def test_version_as_table_and_as_json() -> None:
    assert "crosswalk" in call("version").stdout
    found = json.loads(call("version", "--json").stdout)
    assert found["crosswalk"] == cli_tools.program_version()
    assert found["python"].startswith("3.")


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    done = call("keys", tmp_path / "keys", "--name", "hub", "--json")
    assert done.exit_code == 0
    secret = Path(json.loads(done.stdout)["secret"])
    assert secret.stat().st_mode & 0o077 == 0
    again = call("keys", tmp_path / "keys", "--name", "hub")
    assert again.exit_code == 2
    assert "choose another name" in again.stderr
    assert "--name ../x: use letters" in call("keys", tmp_path, "--name", "../x").stderr


@pytest.mark.slow
def test_the_demos_ground_truth_is_written_once(tmp_path: Path) -> None:
    done = call("demo-gt", tmp_path / "gt", "--json")
    files = [Path(file) for file in json.loads(done.stdout)["files"]]
    assert {file.name for file in files} >= {"lobby.txt", "ignore_lobby.txt"}
    assert all(file.is_file() for file in files)
    assert call("demo-gt", tmp_path / "gt").exit_code == 2


@pytest.mark.parametrize("arguments", [["version", "--json"], ["cameras", "--json"]])
def test_noise_of_libraries_never_reaches_standard_output(
    arguments: list[str], tmp_path: Path
) -> None:
    noisy = (
        "import os, sys, main\n"
        "from pipeline import cli_lists, cli_tools\n"
        "from pipeline.cli_output import Result\n"
        "def noise(*a):\n"
        "    print('from python'); os.write(1, b'from C\\n'); return Result({'ok': 1}, ['ok'])\n"
        "cli_tools.versions = noise\n"
        "from storage.store import Store\n"
        "Store.cameras = lambda self: (noise(), [])[1]\n"
        f"sys.argv = ['main.py', *{arguments!r}]\n"
        "main.run()\n"
    )
    from storage.store import sqlite_url

    if arguments[0] == "cameras":
        from storage.store import Store

        Store.open(sqlite_url(tmp_path / "store"), tmp_path / "store/media").close()
    done = subprocess.run(
        [sys.executable, "-c", noisy],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert isinstance(json.loads(done.stdout), dict)
    assert "from python" in done.stderr
    assert "from C" in done.stderr


def test_an_unforeseen_error_is_a_sentence_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.store import Store, sqlite_url

    store = tmp_path / "store"
    Store.open(sqlite_url(store), store / "media").close()
    (store / "logs").mkdir()

    def broken(self: Store) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(Store, "cameras", broken)
    done = call("cameras", "--store", store)
    assert (done.exit_code, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    log = store / "logs/crosswalk.log"
    assert str(log) in done.stderr
    assert "ZeroDivisionError: by zero" in log.read_text()


def test_without_a_log_the_details_go_to_a_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(cli_tools, "versions", broken)
    done = call("version")
    assert done.exit_code == 1
    assert "RuntimeError: odd" in done.stderr
    log = Path(done.stderr.rsplit(" ", 1)[1].strip().rstrip("."))
    assert "Traceback" in log.read_text()
    log.unlink()


def test_ctrl_c_is_not_a_stack_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_tools, "versions", interrupted)
    done = call("version")
    assert done.exit_code == 130
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", OPERATOR_ERRORS)
def test_the_errors_meant_for_operators_exist(module: str) -> None:
    loaded = __import__(module, fromlist=["x"])
    for name in OPERATOR_ERRORS[module]:
        assert issubclass(getattr(loaded, name), Exception)
