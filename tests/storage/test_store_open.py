"""Opening: new, old, newer, foreign and broken archives."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from store_builders import RUN, begin, open_store, tracklet

from storage.database import Database, sqlite_url
from storage.errors import StoreError
from storage.models import Base
from storage.schema import migrations_config
from storage.store import Store


def database_file(folder: Path) -> Path:
    """Where `open_store` keeps its database."""
    return folder / "store" / "crosswalk.db"


def test_migrations_and_models_agree(store: Store) -> None:
    engine = create_engine(f"sqlite:///{store.database.where}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_can_be_undone(store: Store) -> None:
    engine = create_engine(f"sqlite:///{store.database.where}")
    with engine.begin() as connection:
        config = migrations_config()
        config.attributes["connection"] = connection
        downgrade(config, "base")
        tables = set(inspect(connection).get_table_names())
    assert tables <= {"alembic_version", "sqlite_sequence"}


def test_reopening_finds_everything(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        begin(store)
        store.add_tracklets([tracklet(1, uuid="t")], RUN)
    with open_store(tmp_path, create=False) as store:
        assert store.has_tracklets(["t"]) == {"t"}


@pytest.mark.parametrize("name", ["with space", "50%25", "ä#1", "a&b"])
def test_odd_folder_names(tmp_path: Path, name: str) -> None:
    with open_store(tmp_path / name) as store:
        begin(store)
    assert database_file(tmp_path / name).is_file()


def test_sqlite_settings(store: Store) -> None:
    expected = {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "secure_delete": 1}
    with store.database.read() as session:
        connection = session.connection()
        for name, value in expected.items():
            assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == value
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def refused(url: str, folder: Path, *, create: bool = True) -> str:
    """The message with which an archive is not opened."""
    with pytest.raises(StoreError) as caught:
        Store.open(url, folder, create=create)
    return str(caught.value)


def test_nothing_is_created_unasked(tmp_path: Path) -> None:
    message = refused(sqlite_url(tmp_path / "none"), tmp_path, create=False)
    assert "there is no archive here" in message
    assert str(tmp_path / "none") in message
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_archive_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "crosswalk.db").touch()
    assert "is empty" in refused(sqlite_url(tmp_path), tmp_path, create=False)
    Store.open(sqlite_url(tmp_path), tmp_path).close()


def test_a_newer_archive_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with sqlite3.connect(database_file(tmp_path)) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    message = refused(sqlite_url(tmp_path / "store"), tmp_path)
    assert str(database_file(tmp_path)) in message
    assert "newer version of Crosswalk (schema 9999)" in message


def test_another_program_s_database_is_refused_and_untouched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crosswalk.db") as raw:
        raw.execute("CREATE TABLE holidays (day TEXT)")
    assert "something else" in refused(sqlite_url(tmp_path), tmp_path)
    with sqlite3.connect(tmp_path / "crosswalk.db") as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("holidays",)]


def test_a_file_that_is_no_database_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "crosswalk.db"
    path.write_bytes(b"holiday pictures " * 400)
    message = refused(sqlite_url(tmp_path), tmp_path)
    assert str(path) in message
    assert "not a database" in message
    assert path.read_bytes() == b"holiday pictures " * 400


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refused(f"sqlite:///{tmp_path}", tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    message = refused(sqlite_url(tmp_path / "store"), tmp_path)
    assert str(tmp_path / "store") in message


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    message = refused("sqlite:////proc/nowhere/crosswalk.db", tmp_path)
    assert "/proc/nowhere/crosswalk.db" in message


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("just words", "not a database URL"),
        ("nosuch://host/db", "no driver for nosuch"),
    ],
)
def test_useless_urls(tmp_path: Path, url: str, message: str) -> None:
    assert message in refused(url, tmp_path)


def test_a_question_mark_cannot_be_in_the_path(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot have"):
        sqlite_url(tmp_path / "what?")


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:hunter2@127.0.0.1:1/none?connect_timeout=1"
    message = refused(url, tmp_path)
    assert "hunter2" not in message
    assert "127.0.0.1" in message


def test_two_processes_may_create_one_archive_together(tmp_path: Path) -> None:
    code = (
        "import sys; from storage.database import Database\n"
        "Database(sys.argv[1], create=True).close()"
    )
    url = sqlite_url(tmp_path)
    children = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    Database(url, create=False).close()
