"""Describes splits of a data set as `CropDescriber` does, and keeps the features in a folder."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pipeline.tracking.kept_arrays import keep_arrays
from reid.data.crops import Crops, Split
from reid.data.occlusion import Occlusion
from reid.describe import CropDescriber, Described, OnDone
from reid.embeddings import Embeddings


class KeptDescriber:
    """Global vectors alone, read from the folder if they were kept there.

    What is kept belongs to the embedder's fingerprint, the version of OpenVINO, and the names and
    sizes of all files of the split; occluded pictures are not kept.

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
        path = self._folder / f"{self._fingerprint}-{split}-{_key(crops)}.npz"
        if path.is_file():
            with np.load(path) as file:
                vectors = file["vectors"]
            on_done(len(crops))
        else:
            made = self._describer.describe(crops, split, None, first, on_done)
            vectors = made.embeddings.global_features
            keep_arrays(path, vectors=vectors)
        none = np.zeros((len(vectors), 1, 1), np.float32)
        return Described(Embeddings(vectors, none, none[:, :, 0], self._fingerprint))


def _key(crops: Crops) -> str:
    digest = hashlib.sha256(version("openvino").encode())
    for path in crops.paths:
        digest.update(f"{path.name}:{path.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]
