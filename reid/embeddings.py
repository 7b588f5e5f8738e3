"""What an embedder says about N crops: one global vector and P part vectors each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Embeddings:
    """Features of N crops, all from one model.

    Attributes:
        global_features: (N, D) float32, each row of length 1.
        part_features: (N, P, d) float32, each (i, p) vector of length 1; part 0 is the top stripe.
        part_visibility: (N, P) float32 in 0..1; 0 means that the part is not in the picture.
        fingerprint: hash of weights and preprocessing; vectors of different fingerprints
            must never be compared.
    """

    global_features: NDArray[np.float32]
    part_features: NDArray[np.float32]
    part_visibility: NDArray[np.float32]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.global_features)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> Embeddings:
        return Embeddings(
            self.global_features[rows],
            self.part_features[rows],
            self.part_visibility[rows],
            self.fingerprint,
        )
