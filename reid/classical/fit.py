"""Fits LOMO + XQDA on the training split of a data set.

Source: see reid/classical/system.py.
"""

from __future__ import annotations

from collections.abc import Callable

from reid.classical.config import ClassicalConfig
from reid.classical.system import LomoXqda
from reid.classical.xqda import check_pairs
from reid.data.crops import Crops
from reid.data.market import read_images

_SIZE_HW = (128, 64)
"""Market-1501's own size; `lomo` makes it 128 x 48."""


def fit_lomo(
    config: ClassicalConfig,
    crops: Crops,
    on_start: Callable[[int], Callable[[int], None]] | None = None,
) -> LomoXqda:
    """Read the pictures of a split and learn from them and their labels.

    `on_start` gets their number and returns what is told how many are described.

    Raises:
        ReidError: labels that nothing can be learnt from, or an image that cannot be decoded.
    """
    check_pairs(crops.identities, crops.cameras)
    images = read_images(crops.paths, *_SIZE_HW)
    return LomoXqda.fit(
        images,
        crops.identities,
        crops.cameras,
        components=config.components,
        regulariser=config.regulariser,
        seed=config.seed,
        on_done=on_start(len(crops)) if on_start else None,
    )
