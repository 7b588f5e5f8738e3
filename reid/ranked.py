"""A query's ranked gallery, each picture right or wrong by the names of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reid.data.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY, pictures_in
from reid.data.market import labels_in_name
from reid.errors import ReidError

Verdict = Literal["right", "wrong", "unknown"]


@dataclass(frozen=True)
class Labelled:
    """A picture, and who and where it shows where that is known.

    Attributes:
        identity: 0 is a distractor. camera: counted by the data set. Both None if unknown.
    """

    path: Path
    identity: int | None = None
    camera: int | None = None

    @classmethod
    def by_name(cls, path: Path) -> Labelled:
        """Labels from a name like 0002_c1s1_000451_03.jpg, none from other names."""
        return cls(path, *(labels_in_name(path.name) or (None, None)))


@dataclass(frozen=True)
class Match:
    """A gallery picture in the ranking of a query.

    Attributes:
        row: of the gallery. distance: to the query. verdict: unknown where a name says nothing.
    """

    row: int
    picture: Labelled
    distance: float
    verdict: Verdict


def folder_gallery(folder: Path) -> tuple[Labelled, ...]:
    """The .jpg and .png pictures of a folder, without those that names call junk (identity -1).

    Raises:
        ReidError: no folder, or no picture in it.
    """
    if not folder.is_dir():
        raise ReidError(f"{folder}: no such folder")
    found = tuple(Labelled.by_name(path) for path in pictures_in(folder))
    kept = tuple(picture for picture in found if picture.identity != JUNK_IDENTITY)
    if not kept:
        raise ReidError(f"{folder}: no .jpg or .png pictures there")
    return kept


def verdict(query: Labelled, picture: Labelled) -> Verdict:
    """Whether a picture shows the query's person."""
    if query.identity in (None, DISTRACTOR_IDENTITY, JUNK_IDENTITY) or picture.identity is None:
        return "unknown"
    return "right" if picture.identity == query.identity else "wrong"


def is_junk(query: Labelled, picture: Labelled) -> bool:
    """Whether the protocol leaves a picture out: the query's person in its camera, or itself."""
    same = verdict(query, picture) == "right" and picture.camera == query.camera
    return same or picture.path.resolve() == query.path.resolve()


def ranking(
    query: Labelled, gallery: Sequence[Labelled], distances: NDArray[np.floating], top: int
) -> list[Match]:
    """The `top` nearest gallery pictures that are not junk, nearest first.

    Args:
        distances: (G,) of the query to the gallery.

    Raises:
        ReidError: all of the gallery is junk for this query.
    """
    found: list[Match] = []
    for row in np.argsort(distances, kind="stable"):
        picture = gallery[row]
        if is_junk(query, picture):
            continue
        if len(found) == top:
            break
        found.append(Match(int(row), picture, float(distances[row]), verdict(query, picture)))
    if not found:
        raise ReidError(f"{query.path}: the gallery has no other picture than junk for this query")
    return found
