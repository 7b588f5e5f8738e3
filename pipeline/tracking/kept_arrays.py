"""Files of arrays in the cache of `track-eval`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def keep_arrays(path: Path, **arrays: NDArray[np.generic]) -> None:
    """Write named arrays to a `.npz`, which appears whole or not at all; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    try:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]  # may be named allow_pickle
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
