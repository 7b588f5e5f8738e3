"""One split of a ReID data set as files and labels, and what every loader needs to find it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reid.errors import ReidError

Split = Literal["train", "query", "gallery"]
JUNK_IDENTITY = -1
"""Images of nobody in particular: every loader leaves them out."""
DISTRACTOR_IDENTITY = 0
"""People who are no query's right answer: they stay in the gallery."""
PICTURES = frozenset({".jpg", ".jpeg", ".png"})
"""What pictures' names end in, in small or capital letters."""


@dataclass(frozen=True)
class Crops:
    """One split of a ReID data set.

    Attributes:
        paths: N image files.
        identities: (N,) int64; 0 is a distractor.
        cameras: (N,) int64.
        tracklets: (N,) int64 in 0..T-1, the tracklet of every image, where the data set is
            scored by tracklets; else None.
    """

    paths: tuple[Path, ...]
    identities: NDArray[np.int64]
    cameras: NDArray[np.int64]
    tracklets: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.paths)


def pictures_in(folder: Path) -> list[Path]:
    """The files of a folder that end as `PICTURES` do, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def crops_of(rows: Iterable[tuple[Path, int, int]], where: Path) -> Crops:
    """Crops of (file, identity, camera) rows without junk; `where` is named if none is left.

    Raises:
        ReidError: no row.
    """
    kept = [row for row in rows if row[1] != JUNK_IDENTITY]
    if not kept:
        raise ReidError(f"{where}: no images")
    paths, identities, cameras = zip(*kept, strict=True)
    return Crops(tuple(paths), np.array(identities, np.int64), np.array(cameras, np.int64))


def find_in(root: Path, name: str, layout: str) -> Path:
    """Folder `name`, or file if it has a suffix, in `root` or in exactly one folder of `root`.

    Raises:
        ReidError: it is not there, or in several folders; `layout` says what was expected.
    """
    a_file = bool(Path(name).suffix)
    found = [
        path
        for path in (root / name, *sorted(root.glob(f"*/{name}")))
        if (path.is_file() if a_file else path.is_dir())
    ]
    if not found:
        kind = "file" if a_file else "folder"
        raise ReidError(f"{root}: no {kind} {name} ({layout} layout expected)")
    if found[0].parent != root and len(found) > 1:
        folders = ", ".join(path.parent.name for path in found)
        raise ReidError(f"{root}: {name} is in several folders ({folders}): give one of them")
    return found[0]


def below(folder: Path, name: str, source: str) -> Path:
    """`folder / name` for a name read from a file.

    Raises:
        ReidError: the name leads out of the folder; `source` says where it was read.
    """
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ReidError(f"{source}: unsafe image name {name!r}")
    return folder / path
