"""How a function becomes a command on an archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli_options import LOOK, on_archive
from pipeline.cli_output import Result
from pipeline.cli_session import DEFAULT_STORE, Session
from pipeline.config import ConfigError
from storage.store import Store, sqlite_url


def count(
    current: Session,
    word: Annotated[str, typer.Option("--word")],
    times: Annotated[int, typer.Option("--times", metavar="N")] = 2,
) -> Result:
    """Say a word several times."""
    return Result({"said": [word] * times, "place": str(current.place.folder)}, [word * times])


def broken(current: Session) -> Result:
    """Find the archive unusable."""
    current.store()
    raise ConfigError("workers: must be 1")


@pytest.fixture
def app() -> typer.Typer:
    """Two commands on an archive."""
    made = typer.Typer()
    for work in (count, broken):
        assert on_archive(made, LOOK)(work) is work, "it can still be called as a function"
    return made


def test_own_options_come_before_those_of_the_archive(app: typer.Typer) -> None:
    command = typer.main.get_command(app).commands["count"]  # type: ignore[attr-defined]
    names = [parameter.opts[0] for parameter in command.params]
    assert names == ["--word", "--times", "--store", "--db", "--media", "--json"]
    assert command.help == "Say a word several times."
    assert command.rich_help_panel == LOOK
    assert command.params[2].default == DEFAULT_STORE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--word", "ho"], "hoho\n"), (["--times", "3", "--word", "ho"], "hohoho\n")],
)
def test_the_result_is_shown(app: typer.Typer, arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["count", *arguments])
    assert (done.exit_code, done.stdout) == (0, said)


def test_the_session_is_that_of_the_options(app: typer.Typer, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["count", "--word", "ho", "--store", str(tmp_path), "--json"])
    assert json.loads(done.stdout) == {"said": ["ho", "ho"], "place": str(tmp_path)}


def test_errors_leave_the_function_and_close_the_archive(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(sqlite_url(tmp_path), tmp_path / "media").close()
    closed: list[Store] = []
    monkeypatch.setattr(Store, "close", lambda store: closed.append(store))
    done = CliRunner().invoke(app, ["broken", "--store", str(tmp_path)])
    assert isinstance(done.exception, ConfigError)
    assert len(closed) == 1
