"""MATLAB files that come with data sets, read without trusting them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import matfile_version

from reid.errors import ReidError

_HDF5 = 2
"""Major version of MATLAB 7.3's files, which scipy does not read."""


def read_mat(path: Path, *keys: str) -> tuple[NDArray[Any], ...]:
    """The named variables of a MATLAB file up to version 7, as arrays.

    Raises:
        ReidError: no such file, not a MATLAB file, or a variable is missing.
    """
    if not path.is_file():
        raise ReidError(f"{path}: no such file")
    try:
        version = matfile_version(path)[0]
        found = loadmat(path, variable_names=list(keys)) if version != _HDF5 else {}
    except Exception as error:  # scipy's parser raises whatever a broken file runs it into
        raise ReidError(f"{path}: not a MATLAB file: {error}") from error
    if version == _HDF5:
        raise ReidError(f"{path}: a MATLAB 7.3 file; save it as version 7")
    for key in keys:
        if key not in found:
            raise ReidError(f"{path}: no variable {key!r}")
    return tuple(found[key] for key in keys)


def integers(values: NDArray[Any], where: str) -> NDArray[np.int64]:
    """The values as whole numbers, of the same shape; `where` names file and variable.

    Raises:
        ReidError: not whole numbers.
    """
    if values.dtype.kind not in "iuf" or not np.array_equal(values, np.floor(values)):
        raise ReidError(f"{where}: whole numbers are expected")
    return values.astype(np.int64)
