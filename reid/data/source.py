"""Data sets as they are given on the command line: NAME=FOLDER or NAME=FILE.zip."""

from __future__ import annotations

import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from reid.data import cuhk03, market, mars, msmt17
from reid.data.crops import PICTURES, Crops, Split
from reid.data.layout import Layout, MoreData
from reid.errors import ReidError


@dataclass(frozen=True)
class DataSource:
    """A data set on disk.

    Attributes:
        name: one of `KNOWN_DATA`, or what its own layout is called.
        path: its folder; a zip file until `data_folder` has unpacked it.
        own_layout: how its files are laid out; None takes the layout that `name` says.
    """

    name: str
    path: Path
    own_layout: Layout | None = None

    @property
    def layout(self) -> Layout:
        """How its files are laid out."""
        return self.own_layout or _LAYOUTS[self.name]


_MAT = frozenset({".mat"})
_LAYOUTS = {
    "market1501": Layout(market.load_split),
    "cuhk03": Layout(cuhk03.load_split, _MAT),
    "cuhk03_labeled": Layout(partial(cuhk03.load_split, variant="labeled"), _MAT),
    "cuhk03_detected": Layout(partial(cuhk03.load_split, variant="detected"), _MAT),
    "msmt17": Layout(msmt17.load_split, frozenset({".txt"})),
    "mars": Layout(mars.load_split, frozenset({".txt", ".mat"})),
}
KNOWN_DATA = tuple(_LAYOUTS)


def parse_data(text: str, more: MoreData | None = None) -> DataSource:
    """`market1501=PATH` -> the data set at PATH; `more` are known besides `KNOWN_DATA`.

    Raises:
        ReidError: not of that form, an unknown data set, or nothing at PATH.
    """
    name, separator, place = text.partition("=")
    layouts = more.layouts if more else {}
    names = ", ".join([*KNOWN_DATA, *layouts])
    if not separator or not place:
        raise ReidError(f"--data {text}: write it as NAME=FOLDER_OR_ZIP, NAME one of {names}")
    if name not in KNOWN_DATA and name not in layouts:
        raise ReidError(f"--data {text}: unknown data set {name!r}; known: {names}")
    path = Path(place)
    if not path.exists():
        raise ReidError(f"{path}: no such folder or zip file")
    return DataSource(name, path, layouts.get(name))


def load_split(source: DataSource, split: Split) -> Crops:
    """The files, identities and cameras of one split of any known data set in a folder.

    Junk (identity -1) is left out; identity 0 is a distractor.

    Raises:
        ReidError: the folder does not have the data set's layout, or files do not fit.
    """
    return source.layout.load(source.path, split)


@contextmanager
def data_folder(source: DataSource) -> Iterator[DataSource]:
    """The data set in its folder, or what it needs of a zip file in a temporary folder.

    Raises:
        ReidError: a file that is no zip, a zip whose members would leave the folder, or one of
            a data set that has to be a folder.
    """
    if source.path.is_dir():
        yield source
        return
    if not source.layout.zipped:
        raise ReidError(f"{source.path}: no folder; {source.name} is read from a folder only")
    with tempfile.TemporaryDirectory(prefix="crosswalk-data-") as folder:
        _unpack(source.path, Path(folder), PICTURES | source.layout.lists)
        yield replace(source, path=Path(folder))


def _unpack(path: Path, folder: Path, suffixes: frozenset[str]) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if _is_needed(member, path, suffixes):
                    archive.extract(member, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ReidError(f"{path}: not a readable zip file: {error}") from error


def _is_needed(member: zipfile.ZipInfo, path: Path, suffixes: frozenset[str]) -> bool:
    """Whether to unpack `member`; refuses names that point out of the folder, and links."""
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in member.filename:
        raise ReidError(f"{path}: unsafe member name {member.filename!r}")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ReidError(f"{path}: {member.filename!r} is a link")
    return not member.is_dir() and name.suffix.lower() in suffixes
