"""What the command line does with errors: one sentence for people, details for the log."""

from __future__ import annotations

import logging
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

EXIT_FAILED = 1
"""Something went wrong that the operator did not cause; the log has the details."""
EXIT_BAD_INPUT = 2
"""A file, key, option or archive cannot be used as it is."""
EXIT_INTERRUPTED = 130
"""Stopped by Ctrl-C or SIGTERM; everything that was closed is stored."""

OPERATOR_ERRORS = {
    "pipeline.errors": ("ConfigError", "SourceError"),
    "pipeline.evaluation": ("EvaluationError",),
    "pipeline.export": ("ExportError",),
    "pipeline.search_picture": ("SearchError",),
    "pipeline.clip_frames": ("ClipError",),
    "pipeline.tracking.search_space": ("SpaceError",),
    "pipeline.tracking.sequence_folder": ("SequenceError",),
    "reid.errors": ("ReidError",),
    "storage.errors": ("StoreError",),
    "trackers.motfile": ("MotFileError",),
    "trackers.explain": ("ExplainError",),
    "trackers.presets": ("PresetError",),
}
"""Modules and their errors whose text is written for the operator."""

logger = logging.getLogger(__name__)


class UnexpectedError(Exception):
    """An error nobody foresaw, already logged; the text is one sentence for the operator."""


def operator_text(error: BaseException) -> str | None:
    """The text of an error that the operator can do something about, else None.

    A module that has not been imported cannot have raised anything, so none is imported here.
    """
    for module, names in OPERATOR_ERRORS.items():
        loaded = sys.modules.get(module)
        if loaded and isinstance(error, tuple(getattr(loaded, name) for name in names)):
            return str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return None


def logged(error: Exception, log_file: Path | None) -> UnexpectedError:
    """Write a traceback to the log, or to a new temporary file if there is none."""
    details = "".join(traceback.format_exception(error))
    place = _append(log_file, details) or _temporary(details)
    what = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(" .:")
    return UnexpectedError(f"This should not have happened ({what}); details are in {place}.")


def _append(log_file: Path | None, details: str) -> Path | None:
    if log_file is None:
        return None
    try:
        with log_file.open("a", encoding="utf-8") as file:
            file.write(details)
    except OSError:
        return None
    return log_file


def _temporary(details: str) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", prefix="crosswalk-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write(details)
    return Path(file.name)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn whatever leaves the block into text on standard error and an exit code.

    Raises:
        SystemExit: always, if the block raised anything.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, typer.Abort) as stop:
        if isinstance(stop, SystemExit):
            raise
        typer.echo("Interrupted.", err=True)
        raise SystemExit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        raise
    except Exception as error:
        raise SystemExit(_report(error)) from None


def _report(error: Exception) -> int:
    """Print the error; return the exit code."""
    if hasattr(error, "format_message"):  # the command line itself was wrong
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "main.py"
        message = error.format_message().rstrip(".")
        typer.echo(f"{command}: {message}; see {command} --help", err=True)
        return EXIT_BAD_INPUT
    text = operator_text(error)
    if text is not None:
        typer.echo(text, err=True)
        return EXIT_BAD_INPUT
    unexpected = error if isinstance(error, UnexpectedError) else logged(error, None)
    typer.echo(str(unexpected), err=True)
    return EXIT_FAILED
