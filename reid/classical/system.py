"""LOMO + XQDA as one embedder: fit on labelled pictures, embed crops, compare, save and load.

Source: Liao et al., "Person Re-identification by Local Maximal Occurrence Representation and
Metric Learning", CVPR 2015.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reid.classical.lomo import LOMO_DIM, lomo
from reid.classical.pca import principal_directions
from reid.classical.xqda import REGULARISER, learn_xqda
from reid.errors import ReidError

PREPROCESSING = "rgb,128x48,area,retinex-5-20-cut-1,hsv-8x8x8,siltp-0.3-3-5,windows-10-5,x3,log"
_KIND = "lomo_xqda"
_NAMES = {"projection", "offset", "eigenvalues"}
_AT_ONCE = 64


@dataclass(frozen=True)
class LomoFeatures:
    """Projected features of N crops.

    Attributes:
        features: (N, r) float32, of any length; squared Euclidean distance is XQDA's distance.
        fingerprint: of the model; features of different fingerprints are never compared.
    """

    features: NDArray[np.float32]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class LomoXqda:
    """A fitted system.

    Attributes:
        projection: (26960, r) float32. offset: (r,) float32, taken off after it.
        eigenvalues: (r,) float32, how much more two people differ than one, largest first.
    """

    projection: NDArray[np.float32]
    offset: NDArray[np.float32]
    eigenvalues: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        images_rgb: NDArray[np.uint8],
        identities: NDArray[np.int64],
        cameras: NDArray[np.int64],
        *,
        components: int = 1000,
        regulariser: float = REGULARISER,
        seed: int = 0,
        on_done: Callable[[int], None] | None = None,
    ) -> LomoXqda:
        """Learn the metric from (N, H, W, 3) uint8 RGB pictures and their (N,) labels.

        All pairs of cameras are used together (`pair_covariances`). The features are reduced to
        their `components` leading principal directions first; fewer pictures than that are used
        without reduction. Memory: the features are N · 108 kB (1.4 GB for 12,936 pictures).

        Args:
            components: default 1000; raising it costs time (its cube) and memory for directions
                in which pictures hardly differ.
            regulariser: see `learn_xqda`.
            seed: of the start of the principal directions.
            on_done: gets how many pictures are described.

        Raises:
            ReidError: XQDA cannot learn from these labels. ValueError: the shapes do not fit.
        """
        if not len(images_rgb) == len(identities) == len(cameras):
            raise ValueError(
                f"{len(images_rgb)} pictures, {len(identities)} identities, {len(cameras)} cameras"
            )
        if len(images_rgb) < 2 or components < 1:
            raise ValueError("at least two pictures and one component are needed")
        points = _describe(images_rgb, on_done)
        mean = points.mean(0, dtype=np.float64).astype(np.float32)
        points -= mean
        basis = None
        if components < min(points.shape):
            basis, _ = principal_directions(points, components, seed)
            points = points @ basis
        metric = learn_xqda(points, identities, cameras, regulariser)
        projection = metric.projection.astype(np.float32)
        if basis is not None:
            projection = basis @ projection
        return cls(projection, mean @ projection, metric.eigenvalues.astype(np.float32))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the preprocessing and of names, shapes and values of the tensors."""
        digest = hashlib.sha256(PREPROCESSING.encode())
        for name, value in sorted(self._tensors().items()):
            digest.update(f"{name}{value.shape}".encode())
            digest.update(value.tobytes())
        return digest.hexdigest()[:16]

    def embed(self, crops_bgr: Sequence[NDArray[np.uint8]]) -> LomoFeatures:
        """N crops, each (h, w, 3) uint8 BGR of any size -> their projected features.

        Raises:
            ValueError: a crop is of another shape or type, or empty.
        """
        out = np.empty((len(crops_bgr), len(self.offset)), np.float32)
        for start in range(0, len(crops_bgr), _AT_ONCE):
            chunk = [crop[..., ::-1] for crop in crops_bgr[start : start + _AT_ONCE]]
            out[start : start + len(chunk)] = _describe(chunk) @ self.projection - self.offset
        return LomoFeatures(out, self.fingerprint)

    def distances(self, query: LomoFeatures, gallery: LomoFeatures) -> NDArray[np.float32]:
        """(Q, G) XQDA distances, 0 for equal pictures; smaller is more alike.

        Raises:
            ReidError: features of another model.
        """
        own = self.fingerprint
        for name, given in (("query", query), ("gallery", gallery)):
            if given.fingerprint != own:
                raise ReidError(f"{name}: features of model {given.fingerprint}, this is {own}")
        a, b = query.features, gallery.features
        squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None]
        squares -= 2 * (a @ b.T)
        return np.maximum(squares, 0, out=squares)

    def save(self, path: Path) -> None:
        """Write a safetensors file; replaces `path` in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        save_file(self._tensors(), temporary, {"kind": _KIND, "preprocessing": PREPROCESSING})
        temporary.chmod(0o644)  # safetensors makes it the owner's alone
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path) -> LomoXqda:
        """Read what `save` wrote.

        Raises:
            ReidError: missing file, not safetensors, or not a LOMO + XQDA model of this version.
        """
        if not path.is_file():
            raise ReidError(f"{path}: no such LOMO + XQDA file")
        try:
            with safe_open(path, "numpy") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, TypeError) as error:
            raise ReidError(f"{path}: not a safetensors file: {error}") from error
        if metadata.get("kind") != _KIND:
            raise ReidError(f"{path}: kind: not a LOMO + XQDA file")
        if metadata.get("preprocessing") != PREPROCESSING:
            raise ReidError(f"{path}: preprocessing: made by another version; fit it again")
        _check_tensors(tensors, path)
        return cls(**tensors)

    def _tensors(self) -> dict[str, NDArray[np.float32]]:
        named = {name: getattr(self, name) for name in _NAMES}
        return {name: np.ascontiguousarray(value) for name, value in named.items()}


def _describe(
    images_rgb: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    on_done: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """N RGB pictures -> (N, 26960)."""
    out = np.empty((len(images_rgb), LOMO_DIM), np.float32)
    for row, image in enumerate(images_rgb):
        out[row] = lomo(image)
        if on_done is not None and ((row + 1) % _AT_ONCE == 0 or row + 1 == len(out)):
            on_done(row + 1)
    return out


def _check_tensors(tensors: dict[str, NDArray[np.float32]], path: Path) -> None:
    """Refuse tensors that are missing, of another shape or type, or not finite."""
    if set(tensors) != _NAMES:
        raise ReidError(f"{path}: tensors {sorted(tensors)}, expected {sorted(_NAMES)}")
    rank = tensors["offset"].size
    shapes = {"projection": (LOMO_DIM, rank), "offset": (rank,), "eigenvalues": (rank,)}
    for name, shape in shapes.items():
        value = tensors[name]
        if value.dtype != np.float32 or value.shape != shape or not rank:
            raise ReidError(f"{path}: {name}: {value.dtype} {value.shape}, expected {shape}")
        if not np.isfinite(value).all():
            raise ReidError(f"{path}: {name}: not all values are finite")
