"""Tracklets of a split as groups of its rows, and the mean of their frames' embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid.data.crops import Crops
from reid.embeddings import Embeddings

_SMALLEST = 1e-12


@dataclass(frozen=True)
class Tracklets:
    """T groups of rows of one split.

    Attributes:
        rows: T arrays (n_t,) int64 of the split's rows.
        crops: the first frame of each with its identity and camera: what a ranking is scored by.
    """

    rows: tuple[NDArray[np.int64], ...]
    crops: Crops

    @classmethod
    def of(cls, crops: Crops) -> Tracklets:
        """The tracklets of a split; every image is one of its own where the split has none."""
        if crops.tracklets is None:
            return cls(tuple(np.arange(len(crops))[:, None]), crops)
        order = np.argsort(crops.tracklets, kind="stable")
        starts = np.unique(crops.tracklets[order], return_index=True)[1]
        first = order[starts]
        heads = Crops(
            tuple(crops.paths[row] for row in first), crops.identities[first], crops.cameras[first]
        )
        return cls(tuple(np.split(order, starts[1:])), heads)

    def __len__(self) -> int:
        return len(self.rows)

    def plain_mean(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, ...) of frames -> (T, ...) means."""
        return np.stack([values[rows].mean(0) for rows in self.rows])

    def mean(self, frames: Embeddings) -> Embeddings:
        """Embeddings of N frames -> of T tracklets, vectors of length 1 again.

        Parts are averaged by visibility (all alike where none is visible); the visibility
        of a tracklet's part is the mean over its frames.
        """
        order = np.concatenate(self.rows)
        counts = np.array([len(rows) for rows in self.rows])
        starts = np.cumsum(counts) - counts

        def sums(values: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.add.reduceat(values[order], starts, axis=0)

        seen = sums(frames.part_visibility)
        weight = np.where(
            np.repeat(seen > 0, counts, axis=0), frames.part_visibility[order], np.float32(1)
        )
        parts = np.add.reduceat(frames.part_features[order] * weight[:, :, None], starts, axis=0)
        return Embeddings(
            _unit(sums(frames.global_features)),
            _unit(parts),
            (seen / counts[:, None]).astype(np.float32),
            frames.fingerprint,
        )


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return (values / np.maximum(length, _SMALLEST)).astype(np.float32)
