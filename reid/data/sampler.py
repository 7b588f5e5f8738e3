"""Batches of P identities times K images (Hermans et al., "In Defense of the Triplet Loss")."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reid.errors import ReidError


class IdentitySampler:
    """Endless batches of P * K rows; an identity with fewer than K images repeats some.

    Args:
        identities: (N,) identity of every image.
        identities_per_batch: P.
        images_per_identity: K.
        seed: the n-th batch depends on seed and n alone, so that a run can be resumed.

    Raises:
        ReidError: fewer than P identities.
    """

    def __init__(
        self,
        identities: NDArray[np.int64],
        identities_per_batch: int,
        images_per_identity: int,
        seed: int,
    ) -> None:
        order = np.argsort(identities, kind="stable")
        values, starts = np.unique(identities[order], return_index=True)
        self._rows = np.split(order, starts[1:])
        if len(values) < identities_per_batch:
            raise ReidError(
                f"{len(values)} identities, but a batch needs {identities_per_batch}: "
                "lower identities_per_batch"
            )
        self._p, self._k, self._seed = identities_per_batch, images_per_identity, seed
        self._per_pass = len(values) // identities_per_batch

    def batch(self, step: int) -> NDArray[np.int64]:
        """Rows of batch number `step`: (P * K,), images of one identity adjacent."""
        tour, place = divmod(step, self._per_pass)
        order = np.random.default_rng([self._seed, 0, tour]).permutation(len(self._rows))
        rng = np.random.default_rng([self._seed, 1, step])
        chosen = order[place * self._p : (place + 1) * self._p]
        picks = [
            rng.choice(self._rows[i], self._k, replace=len(self._rows[i]) < self._k) for i in chosen
        ]
        return np.concatenate(picks)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        step = 0
        while True:
            yield self.batch(step)
            step += 1
