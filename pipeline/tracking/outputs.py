"""Where the files of a comparison go, and that none is in the way."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import ConfigError


def planned_files(
    folder: Path, runs: list[str], sequences: list[str], suffix: str
) -> dict[tuple[str, str], Path]:
    """The file of each run and sequence: `FOLDER/SEQUENCE.x`, of several runs in a folder each."""
    return {
        (run, sequence): (folder / run if len(runs) > 1 else folder) / f"{sequence}{suffix}"
        for run in runs
        for sequence in sequences
    }


def check_files(option: str, files: Iterable[Path], *, overwrite: bool) -> None:
    """Make sure that files can be written, before hours are spent on what goes into them.

    Raises:
        ConfigError: a file is there already, or its folder cannot be made or written.
    """
    for path in files:
        if path.exists() and not (overwrite and path.is_file()):
            raise ConfigError(f"{option} {path}: is there already; --overwrite replaces files")
        place = next(parent for parent in path.parents if parent.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise ConfigError(f"{option} {path}: nothing can be written to {place}")
