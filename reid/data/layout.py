"""How a data set is read from a folder, and data sets that the surrounding program adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reid.data.crops import Crops, Split


@dataclass(frozen=True)
class Layout:
    """One kind of data set.

    Attributes:
        load: reads a split of the data set in a folder; raises ReidError if it does not fit.
        lists: endings of the files, besides pictures, that it needs of a zip file.
        zipped: whether it may be a zip file at all.
    """

    load: Callable[[Path, Split], Crops]
    lists: frozenset[str] = frozenset()
    zipped: bool = True


@dataclass(frozen=True)
class MoreData:
    """Data sets by name that `--data` knows besides those of `reid.data.source`.

    A program that has some makes this the object of the Typer context around `reid.cli.app`.
    """

    layouts: Mapping[str, Layout] = field(default_factory=dict)
