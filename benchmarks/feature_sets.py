"""Features to time distances on: made up with identities, or those of real pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CAMERAS = 6
_PER_IDENTITY = 20
_FOLD = 1024


@dataclass(frozen=True)
class Pictures:
    """Features and labels of N pictures.

    Attributes:
        whole: (N, D) float32 and parts: (N, P, d) float32, vectors of length 1.
        identities, cameras: (N,) int64.
    """

    whole: NDArray[np.float32]
    parts: NDArray[np.float32]
    identities: NDArray[np.int64]
    cameras: NDArray[np.int64]


def synthetic(
    queries: int, gallery: int, seed: int, whole_dim: int = 512, parts: tuple[int, int] = (8, 128)
) -> tuple[Pictures, Pictures]:
    """Query and gallery pictures of the same identities, about 20 each, with much noise.

    An identity is a point of 64 dimensions; pictures are points about it, and each feature is
    a linear map of its picture with noise of its own.
    """
    rng = np.random.default_rng(seed)
    count = max(2, gallery // _PER_IDENTITY)
    centres = rng.standard_normal((count, 64), np.float32)
    to_whole = rng.standard_normal((64, whole_dim), np.float32)
    to_parts = rng.standard_normal((64, parts[0] * parts[1]), np.float32)
    made = []
    for number in (queries, gallery):
        identities = rng.integers(0, count, number)
        whole = np.empty((number, whole_dim), np.float32)
        stripes = np.empty((number, *parts), np.float32)
        for start in range(0, number, _FOLD):
            rows = slice(start, start + _FOLD)
            view = centres[identities[rows]]
            view = view + 1.1 * rng.standard_normal(view.shape, np.float32)
            whole[rows] = _unit(view @ to_whole, rng)
            stripes[rows] = _unit((view @ to_parts).reshape(-1, *parts), rng)
        made.append(Pictures(whole, stripes, identities, rng.integers(0, _CAMERAS, number)))
    return made[0], made[1]


def load(path: Path) -> tuple[Pictures, Pictures]:
    """Read `query_` and `gallery_` `whole`, `parts`, `identities`, `cameras` of an .npz file."""
    with np.load(path) as file:
        names = ("whole", "parts", "identities", "cameras")
        missing = [
            f"{s}_{n}" for s in ("query", "gallery") for n in names if f"{s}_{n}" not in file
        ]
        if missing:
            raise SystemExit(f"--features {path}: there is no {', '.join(missing)} in it")
        query, gallery = ([file[f"{s}_{n}"] for n in names] for s in ("query", "gallery"))
    return Pictures(*query), Pictures(*gallery)


def _unit(values: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    values += 4 * rng.standard_normal(values.shape, np.float32)
    values /= np.linalg.norm(values, axis=-1, keepdims=True)
    return values
