"""What the product adds to the ReID commands: its own store as a data set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reid.data.layout import Layout, MoreData

if TYPE_CHECKING:
    from reid.data.crops import Crops, Split


def _load(root: Path, split: Split, *, confirmed: bool) -> Crops:
    """`pipeline.reid_data.load_split`, imported when it is needed."""
    from pipeline.reid_data import load_split

    return load_split(root, split, confirmed=confirmed)


STORES = MoreData(
    {
        "tracklets": Layout(partial(_load, confirmed=False), zipped=False),
        "tracklets_confirmed": Layout(partial(_load, confirmed=True), zipped=False),
    }
)
"""`--data tracklets=STORE`, and the same with those tracklets alone that an operator confirmed."""
