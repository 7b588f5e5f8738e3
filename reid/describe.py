"""Describes the pictures of a split with any kind of embedder, so that all are scored alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid.classical.system import LomoXqda
from reid.data.crops import Crops, Split
from reid.data.market import read_image_bgr
from reid.data.occlusion import Occlusion
from reid.embeddings import Embeddings
from reid.errors import ReidError
from reid.pyramid import PyramidFeatures

OnDone = Callable[[int], None]
_READ_AT_ONCE = 64


@dataclass(frozen=True)
class Described:
    """What is known of N pictures.

    Attributes:
        embeddings: of the pictures; their global vectors are of length 1 if `unit`.
        pyramid: parts and pixels for progressive retrieval, or None.
        unit: False where the squared Euclidean distance of the global vectors, which may have
            any length, is the system's own distance (LOMO + XQDA).
    """

    embeddings: Embeddings
    pyramid: PyramidFeatures | None = None
    unit: bool = True

    def __len__(self) -> int:
        return len(self.embeddings)


class EmbedsCrops(Protocol):
    """What `reid.inference.Embedder` and `reid.peers.Peer` do."""

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        """N crops, each (h, w, 3) uint8 BGR -> their embeddings."""


class Describer(Protocol):
    """Anything that describes the pictures of a split.

    Attributes:
        has_parts: whether its embeddings have parts. has_pixels: whether it gives a pyramid.
    """

    has_parts: bool
    has_pixels: bool

    def describe(
        self, crops: Crops, split: Split, occlusion: Occlusion | None, first: int, on_done: OnDone
    ) -> Described:
        """Describe all pictures of a split.

        Args:
            occlusion: of the pictures, or None. first: number of the split's first picture, which
                decides with the seed how a picture is occluded. on_done: gets how many of the
                split are ready.

        Raises:
            ReidError: an image that cannot be decoded or occluded.
        """


class CropDescriber:
    """Describes with what embeds crops; `has_parts` is whether the parts mean something."""

    has_pixels = False

    def __init__(self, embedder: EmbedsCrops, *, has_parts: bool = True) -> None:
        self.has_parts = has_parts
        self._embedder = embedder

    def describe(
        self, crops: Crops, split: Split, occlusion: Occlusion | None, first: int, on_done: OnDone
    ) -> Described:
        """See `Describer`."""
        return Described(
            embed_files(self._embedder, crops.paths, on_done, occlusion=occlusion, first=first)
        )


class LomoDescriber:
    """Describes with LOMO + XQDA: vectors of any length and no parts."""

    has_parts = False
    has_pixels = False

    def __init__(self, system: LomoXqda) -> None:
        self._embedder = _LomoEmbedder(system)

    def describe(
        self, crops: Crops, split: Split, occlusion: Occlusion | None, first: int, on_done: OnDone
    ) -> Described:
        """See `Describer`."""
        found = embed_files(self._embedder, crops.paths, on_done, occlusion=occlusion, first=first)
        return Described(found, unit=False)


class _LomoEmbedder:
    def __init__(self, system: LomoXqda) -> None:
        self._system = system

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        found = self._system.embed(crops_bgr)
        none = np.zeros((len(found), 1, 1), np.float32)
        return Embeddings(found.features, none, none[:, :, 0], found.fingerprint)


def in_chunks(paths: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    """64 files at a time."""
    for start in range(0, len(paths), _READ_AT_ONCE):
        yield paths[start : start + _READ_AT_ONCE]


def read_crops(
    paths: tuple[Path, ...], occlusion: Occlusion | None, first: int
) -> list[NDArray[np.uint8]]:
    """Pictures, each (h, w, 3) uint8 BGR, occluded by their numbers from `first` on.

    Raises:
        ReidError: an image that cannot be decoded, or is too small to occlude.
    """
    found = []
    for number, path in enumerate(paths, first):
        image = read_image_bgr(path)
        if occlusion is not None:
            try:
                image = occlusion.of_crop(image, number)
            except ValueError as error:
                raise ReidError(f"{path}: {error}") from error
        found.append(image)
    return found


def embed_files(
    embedder: EmbedsCrops,
    paths: tuple[Path, ...],
    on_done: OnDone | None = None,
    *,
    occlusion: Occlusion | None = None,
    first: int = 0,
) -> Embeddings:
    """Embed image files, 64 in memory at a time; `on_done` gets how many are ready.

    `first` is the number of the first file, by which it is occluded.

    Raises:
        ReidError: an image that cannot be decoded, or is too small to occlude.
    """
    chunks: list[Embeddings] = []
    done = 0
    for chunk in in_chunks(paths):
        chunks.append(embedder.embed(read_crops(chunk, occlusion, first + done)))
        done += len(chunk)
        if on_done is not None:
            on_done(done)
    return joined(chunks)


def joined(chunks: list[Embeddings]) -> Embeddings:
    """Embeddings of one model, one after the other."""
    return Embeddings(
        np.concatenate([chunk.global_features for chunk in chunks]),
        np.concatenate([chunk.part_features for chunk in chunks]),
        np.concatenate([chunk.part_visibility for chunk in chunks]),
        chunks[0].fingerprint,
    )
