"""Clothing and belongings of identities, from Market-1501's attribute annotation.

Source: Lin et al., "Improving Person Re-identification by Attribute and Identity Learning",
Pattern Recognition 2019. Age, gender and hair are in the file and are never read.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid.errors import ReidError

_UPPER = ("black", "white", "red", "purple", "yellow", "gray", "blue", "green")
_LOWER = ("black", "white", "pink", "purple", "yellow", "gray", "blue", "green", "brown")
ATTRIBUTES = (
    "backpack",
    "bag",
    "handbag",
    "hat",
    "up",
    "down",
    "clothes",
    *(f"up{colour}" for colour in _UPPER),
    *(f"down{colour}" for colour in _LOWER),
)
"""1 means: carries or wears it; `up` short sleeves, `down` short lower clothing, `clothes` trousers
and not a dress or skirt; the colours of the upper and lower clothing."""
_VALUES = {"1": 0.0, "2": 1.0}


def load_attributes(
    path: Path, identities: NDArray[np.int64]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """(N,) identities -> (N, A) 0 or 1, and the A names, in the order of `ATTRIBUTES`.

    The file is a CSV with a column `identity` and a column per attribute, 1 = no, 2 = yes.

    Raises:
        ReidError: not such a file, or it lacks an identity.
    """
    table = _read(path)
    known = np.unique(identities)
    for identity in known.tolist():
        if identity not in table:
            raise ReidError(f"{path}: no attributes of identity {identity}")
    values = np.array([table[identity] for identity in known.tolist()], np.float32)
    rows = np.searchsorted(known, identities)
    return values.reshape(len(known), len(ATTRIBUTES))[rows], ATTRIBUTES


def _read(path: Path) -> dict[int, list[float]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file)
            header = lines.fieldnames or []
            missing = [key for key in ("identity", *ATTRIBUTES) if key not in header]
            if missing:
                raise ReidError(f"{path}: no column {missing[0]}")
            table: dict[int, list[float]] = {}
            for line in lines:
                where = f"{path}: line {lines.line_num}"
                identity = _identity(line["identity"], where)
                if identity in table:
                    raise ReidError(f"{where}: identity {identity} is there twice")
                table[identity] = [_value(line[key], f"{where}: {key}") for key in ATTRIBUTES]
    except OSError as error:
        raise ReidError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReidError(f"{path}: not a CSV file: {error}") from error
    return table


def _identity(text: str | None, where: str) -> int:
    if text is None or not text.strip().isdecimal():
        raise ReidError(f"{where}: identity: a number is expected, not {text!r}")
    return int(text)


def _value(text: str | None, where: str) -> float:
    """1 -> 0 (no), 2 -> 1 (yes)."""
    value = _VALUES.get((text or "").strip())
    if value is None:
        raise ReidError(f"{where}: 1 (no) or 2 (yes) is expected, not {text!r}")
    return value
