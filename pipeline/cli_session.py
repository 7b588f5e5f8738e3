"""What every command needs: the place of the archive, a log, and a clean standard output."""

from __future__ import annotations

import contextlib
import getpass
import logging
import logging.handlers
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pipeline.cli_errors import UnexpectedError, logged, operator_text
from pipeline.cli_output import Result, show
from storage.errors import StoreError

if TYPE_CHECKING:
    from storage.store import Store

DEFAULT_STORE = Path("store")
_LOG_BYTES = 5_000_000
_NOISY = ("alembic", "httpx", "PIL", "matplotlib", "asyncio", "urllib3", "openvino", "nncf")


@dataclass(frozen=True)
class Place:
    """Where the archive is.

    Attributes:
        folder: database (unless `url` says otherwise), runs and logs.
        url: SQLAlchemy URL.
        media: folder of the crops.
        arguments: the command-line options that name this place again, without a password.
        elsewhere: the database is not in `folder`.
    """

    folder: Path
    url: str
    media: Path
    arguments: str
    elsewhere: bool = False

    @classmethod
    def of(cls, folder: Path, db: str | None = None, media: Path | None = None) -> Place:
        """Make a place of the options `--store`, `--db` and `--media`.

        Raises:
            StoreError: `--db` without `--media`, or a path that cannot be one.
        """
        from storage.store import sqlite_url

        if db is not None and media is None:
            raise StoreError("--db: add --media DIR, the folder of the pictures of that database")
        words = [] if folder == DEFAULT_STORE else ["--store", str(folder)]
        if db is not None:
            words += ["--db", _without_password(db)]
        if media is not None:
            words += ["--media", str(media)]
        url = sqlite_url(folder) if db is None else db
        return cls(folder, url, media or folder / "media", shlex.join(words), db is not None)

    @property
    def log_file(self) -> Path:
        """The log of the commands; each run's processes have their own below `runs/`."""
        return self.folder / "logs" / "crosswalk.log"

    def command(self, words: str) -> str:
        """A command to type next, at this place."""
        return f"python main.py {words} {self.arguments}".rstrip()


@dataclass
class Session:
    """One command at work.

    Attributes:
        place: the archive.
        as_json: print one JSON object instead of tables.
        stdout: the real standard output; what anybody else prints goes to standard error.
    """

    place: Place
    as_json: bool
    stdout: TextIO
    _open: list[Store] = field(default_factory=list)

    def store(self) -> Store:
        """Open the archive, which must exist; closed at the end of the command.

        Raises:
            StoreError: there is none, or it cannot be used.
        """
        from storage.store import Store

        database = self.place.folder / "crosswalk.db"
        if not self.place.elsewhere and not database.exists():
            raise StoreError(
                f"{database}: there is no archive here; "
                f"run `{self.place.command('--sources cams.yaml')}` first, or name another --store"
            )
        store = Store.open(self.place.url, self.place.media, create=False)
        self._open.append(store)
        return store

    def show(self, result: Result) -> None:
        """Print a result."""
        show(result, self.stdout, as_json=self.as_json)

    def close(self) -> None:
        """Close the archive."""
        while self._open:
            self._open.pop().close()


@contextlib.contextmanager
def session(
    folder: Path,
    db: str | None,
    media: Path | None,
    as_json: bool,
    *,
    level: int = logging.WARNING,
    create: bool = False,
) -> Iterator[Session]:
    """Carry out a command: logs to standard error and to the store, errors noted there.

    Args:
        folder: as in `Place.of`, like `db` and `media`.
        db: URL of the database, or None.
        media: folder of the pictures, or None.
        as_json: whether the result is printed as JSON.
        level: lowest level of the log lines on standard error.
        create: whether the command may make the archive's folder.

    Raises:
        UnexpectedError: in place of any error that is not meant for the operator.
    """
    place = Place.of(folder, db, media)
    with own_stdout() as stdout, logging_to(place.log_file, level, create=create):
        current = Session(place, as_json, stdout)
        try:
            yield current
        except UnexpectedError:
            raise
        except Exception as error:
            if operator_text(error) is None and not hasattr(error, "exit_code"):
                log = place.log_file if place.log_file.parent.is_dir() else None
                raise logged(error, log) from error
            raise
        finally:
            current.close()


@contextlib.contextmanager
def own_stdout() -> Iterator[TextIO]:
    """Yield the real standard output; until the end, everybody else's goes to standard error.

    Libraries in C write to file descriptor 1 without asking Python, so it is redirected as well.
    """
    ours = sys.stdout
    with contextlib.ExitStack() as stack:
        if _descriptor(sys.stdout) == 1 and _descriptor(sys.stderr) is not None:
            sys.stdout.flush()
            saved = os.dup(1)
            os.dup2(2, 1)
            stack.callback(_restore, saved)
            ours = open(saved, "w", encoding=sys.stdout.encoding, closefd=False)  # noqa: SIM115
            stack.callback(ours.flush)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield ours


def _restore(saved: int) -> None:
    os.dup2(saved, 1)
    os.close(saved)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


class _OneLine(logging.Formatter):
    """Messages without tracebacks; those are in the log file."""

    def format(self, record: logging.LogRecord) -> str:
        """Level and message, for example `warning: camera a: no frames`."""
        return f"{record.levelname.lower()}: {record.getMessage()}"


@contextlib.contextmanager
def logging_to(log_file: Path, level: int, *, create: bool) -> Iterator[None]:
    """Log to standard error, and to a file if its folder exists or may be made.

    Args:
        log_file: of the archive.
        level: lowest level on standard error.
        create: make the folder with the first line.
    """
    root = logging.getLogger()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(level)
    terminal.setFormatter(_OneLine())
    terminal.addFilter(lambda record: record.name != "py.warnings")
    handlers: list[logging.Handler] = [terminal]
    if create or log_file.parent.is_dir():
        handlers.append(_store_log(log_file))
    before = root.level
    root.setLevel(logging.INFO)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


class _StoreLog(logging.handlers.RotatingFileHandler):
    """The log file of the store; its folder is made with the first line.

    One that cannot be written must not stop a command.
    """

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: standard error has the message as well."""


def _store_log(log_file: Path) -> _StoreLog:
    handler = _StoreLog(log_file, maxBytes=_LOG_BYTES, backupCount=3, delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler


def actor() -> str:
    """Who is at work, for the audit log."""
    try:
        return f"shell:{getpass.getuser()}"
    except (OSError, KeyError, ImportError):
        return "shell"


def _without_password(url: str) -> str:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url
