"""Data sets as they are given on the command line: NAME=FOLDER or NAME=FILE.zip."""

from __future__ import annotations

import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from reid.errors import ReidError

KNOWN_DATA = ("market1501",)
_IMAGES = {".jpg", ".jpeg", ".png"}


def parse_data(text: str) -> Path:
    """`market1501=PATH` -> PATH.

    Raises:
        ReidError: not of that form, an unknown data set, or nothing at PATH.
    """
    name, separator, place = text.partition("=")
    if not separator or not place:
        raise ReidError(f"--data {text}: write it as NAME=FOLDER_OR_ZIP, NAME one of {_names()}")
    if name not in KNOWN_DATA:
        raise ReidError(f"--data {text}: unknown data set {name!r}; known: {_names()}")
    path = Path(place)
    if not path.exists():
        raise ReidError(f"{path}: no such folder or zip file")
    return path


@contextmanager
def data_folder(path: Path) -> Iterator[Path]:
    """The folder itself, or the images of a zip file in a temporary folder.

    Raises:
        ReidError: a file that is no zip, or a zip whose members would leave the folder.
    """
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="crosswalk-data-") as folder:
        _unpack(path, Path(folder))
        yield Path(folder)


def _unpack(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if _is_image(member, path):
                    archive.extract(member, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ReidError(f"{path}: not a readable zip file: {error}") from error


def _is_image(member: zipfile.ZipInfo, path: Path) -> bool:
    """Whether to unpack `member`; refuses names that point out of the folder, and links."""
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in member.filename:
        raise ReidError(f"{path}: unsafe member name {member.filename!r}")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ReidError(f"{path}: {member.filename!r} is a link")
    return not member.is_dir() and name.suffix.lower() in _IMAGES


def _names() -> str:
    return ", ".join(KNOWN_DATA)
