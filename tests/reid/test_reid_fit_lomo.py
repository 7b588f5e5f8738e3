"""Fitting LOMO + XQDA on a split: labels that teach nothing are refused before the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reid.classical.config import ClassicalConfig
from reid.classical.fit import fit_lomo
from reid.data.crops import Crops
from reid.errors import ReidError


@pytest.mark.parametrize(
    ("identities", "cameras", "message"),
    [
        ([1, 2, 3], [1, 2, 3], "no identity was seen by two cameras"),
        ([1, 1, 1], [1, 2, 2], "no two identities were seen by two cameras"),
    ],
)
def test_before_any_picture_is_read(
    identities: list[int], cameras: list[int], message: str
) -> None:
    paths = tuple(Path(f"/no/such/{row}.jpg") for row in range(3))
    crops = Crops(paths, np.array(identities), np.array(cameras))
    with pytest.raises(ReidError, match=message):
        fit_lomo(ClassicalConfig.model_validate({"name": "lomo_xqda"}), crops)
