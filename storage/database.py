"""One database: how it is opened, read in a snapshot and written by one writer at a time."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError, StatementError
from sqlalchemy.orm import Session

from storage import schema
from storage.errors import StoreError

BUSY_TIMEOUT_S = 30.0
_WRITE_LOCK = 0x63726F7373  # key of PostgreSQL's advisory lock: "cross"


def sqlite_url(store_dir: Path) -> str:
    """Return the URL of the SQLite archive inside ``store_dir``.

    Raises:
        StoreError: the path holds a ``?``, which a database URL cannot.
    """
    path = store_dir / "crosswalk.db"
    if "?" in str(path):
        raise StoreError(f"{path}: a store folder cannot have '?' in its path")
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


class Database:
    """An opened archive at its newest schema. Any thread may use it."""

    def __init__(self, url: str, *, create: bool) -> None:
        """Open ``url`` and bring its tables up to date.

        Args:
            url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
            create: make the archive if there is none.

        Raises:
            StoreError: there is none, it is something else, it is newer than this program, or
                it cannot be read or written.
        """
        parsed = _parse(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.where = _where(parsed)
        if self.is_sqlite:
            _prepare_file(Path(self.where), create)
        self._lock = threading.RLock()
        with self._errors():
            engine = _make_engine(parsed)
            self._engine, self._writer = engine, engine.execution_options(crosswalk_write=True)
            if not self.is_sqlite:  # a snapshot to read; a writer sees all that others committed
                self._engine = engine.execution_options(isolation_level="REPEATABLE READ")
                self._writer = engine.execution_options(
                    isolation_level="READ COMMITTED", crosswalk_write=True
                )
            self._bring_up_to_date(create)

    def _bring_up_to_date(self, create: bool) -> None:
        """Migrate under the write lock; an archive that is up to date is only read."""
        try:
            with self._engine.connect() as connection:
                current = schema.is_current(connection, self.where)
                if not current:
                    schema.check_is_ours(connection, self.where, create=create)
            if not current:
                if self.is_sqlite:
                    self._use_write_ahead_log()
                with self._writer.begin() as connection:
                    schema.upgrade(connection, self.where, create=create)
        except BaseException:
            self._engine.dispose()
            raise

    def _use_write_ahead_log(self) -> None:
        """Let readers go on while one process writes; the file remembers it."""
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            raw = self._engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            finally:
                raw.close()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one unchanging state of the archive.

        Raises:
            StoreError: the database failed.
        """
        with self._errors(), Session(self._engine, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield the only writing session; it commits at the end or changes nothing.

        Other threads and processes that want to write wait up to `BUSY_TIMEOUT_S`.

        Raises:
            StoreError: the database failed or refused the data.
        """
        with self._lock, self._errors(), Session(self._writer) as session, session.begin():
            session.connection()  # take the write lock now, not at the first change
            yield session

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other threads of this process from writing, across several steps."""
        with self._lock:
            yield

    def scrub(self) -> bool:
        """Empty SQLite's log, so that erased data is in no file; False if readers prevent it."""
        if not self.is_sqlite:
            return False
        with self._lock, self._errors():
            raw = self._engine.raw_connection()
            try:
                row = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                raw.close()
        return row is not None and row[0] == 0

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn a driver's error into one line that names the archive."""
        try:
            yield
        except StatementError as error:
            if isinstance(error.orig, StoreError):
                raise error.orig from error
            raise StoreError(f"{self.where}: {error.orig}") from error
        except (SQLAlchemyError, sqlite3.Error, OverflowError) as error:
            raise StoreError(f"{self.where}: {error}") from error


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise StoreError(f"{url!r} is not a database URL such as sqlite:///file.db") from error


def _where(url: URL) -> str:
    """Name the database for messages, without its password."""
    if url.get_backend_name() != "sqlite":
        return url.render_as_string(hide_password=True)
    if not url.database or url.database == ":memory:":
        raise StoreError("an archive needs a file: sqlite:///path/to/file.db")
    return url.database


def _prepare_file(path: Path, create: bool) -> None:
    """Make sure that SQLite is handed a file it can open."""
    try:
        if path.is_dir():
            raise StoreError(f"{path}: is a folder, not an archive")
        if not path.exists():
            if not create:
                raise StoreError(f"{path}: there is no archive here")
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def _make_engine(url: URL) -> Engine:
    """Build the engine and its connection hooks.

    Raises:
        StoreError: the driver of the URL is not installed.
    """
    sqlite = url.get_backend_name() == "sqlite"
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    arguments = {"timeout": BUSY_TIMEOUT_S} if sqlite else {}
    try:
        engine = create_engine(url, connect_args=arguments)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(f"no driver for {url.drivername}: {error}") from error
    if sqlite:
        event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    """Set what SQLite forgets between connections; transactions are begun by `_begin`."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Begin a snapshot, or take the archive's one write lock."""
    writing = connection.get_execution_options().get("crosswalk_write", False)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
    elif writing:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITE_LOCK})
