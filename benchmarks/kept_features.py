"""Describes splits of a data set as `CropDescriber` does, and keeps the features in a folder."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.tracking.kept_arrays import keep_arrays
from reid.data.crops import Crops, Split
from reid.data.occlusion import Occlusion
from reid.describe import CropDescriber, Described, OnDone
from reid.embeddings import Embeddings

_AT_ONCE = 1024


class KeptDescriber:
    """Global vectors alone, 1024 pictures at a time; read from the folder what was kept there.

    A run that was stopped goes on where it was. What is kept belongs to the embedder's
    fingerprint, the version of OpenVINO, and the names and sizes of its pictures' files; vectors
    of occluded pictures are not kept.

    Args:
        fingerprint: of the embedder that `describer` uses.
        folder: where features are kept; None keeps none.
    """

    has_parts = False
    has_pixels = False

    def __init__(self, describer: CropDescriber, fingerprint: str, folder: Path | None) -> None:
        self._describer, self._fingerprint, self._folder = describer, fingerprint, folder

    def describe(
        self, crops: Crops, split: Split, occlusion: Occlusion | None, first: int, on_done: OnDone
    ) -> Described:
        """See `reid.describe.Describer`."""
        if self._folder is None or occlusion is not None:
            return self._describer.describe(crops, split, occlusion, first, on_done)
        chunks = []
        for start in range(0, len(crops), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            part = Crops(crops.paths[some], crops.identities[some], crops.cameras[some])
            chunks.append(self._vectors(part, split, self._folder))
            on_done(start + len(part))
        vectors = np.concatenate(chunks)
        none = np.zeros((len(vectors), 1, 1), np.float32)
        return Described(Embeddings(vectors, none, none[:, :, 0], self._fingerprint))

    def _vectors(self, part: Crops, split: Split, folder: Path) -> NDArray[np.float32]:
        path = folder / f"{self._fingerprint}-{_key(part)}.npz"
        if path.is_file():
            with np.load(path) as file:
                return np.asarray(file["vectors"], np.float32)
        made = self._describer.describe(part, split, None, 0, lambda done: None)
        keep_arrays(path, vectors=made.embeddings.global_features)
        return made.embeddings.global_features


def _key(crops: Crops) -> str:
    digest = hashlib.sha256(version("openvino").encode())
    for path in crops.paths:
        digest.update(f"{path.name}:{path.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]
