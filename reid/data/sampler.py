"""Batches of P identities times K images (Hermans et al., "In Defense of the Triplet Loss")."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reid.errors import ReidError

log = logging.getLogger(__name__)


class IdentitySampler:
    """Endless batches of P * K rows.

    An identity with fewer than K images shows each of them once before any again, and none more
    than once oftener than another. Each tour visits the identities in a new order; the last ones,
    too few for a batch, wait for a later tour.

    Args:
        identities: (N,) identity of every image.
        identities_per_batch: P, of one process.
        images_per_identity: K.
        seed: the n-th batch depends on seed and n alone, so that a run can be resumed.
        leave_out_single: leave out identities with one image, which have no positive pair; their
            number is logged.

    Raises:
        ReidError: fewer than P identities.
    """

    def __init__(
        self,
        identities: NDArray[np.int64],
        identities_per_batch: int,
        images_per_identity: int,
        seed: int,
        *,
        leave_out_single: bool = False,
    ) -> None:
        order = np.argsort(identities, kind="stable")
        starts = np.unique(identities[order], return_index=True)[1]
        rows = np.split(order, starts[1:])
        if leave_out_single:
            several = [own for own in rows if len(own) > 1]
            if len(several) < len(rows):
                log.info("%d identities with one image are left out", len(rows) - len(several))
            rows = several
        self._rows = rows
        self._p, self._k, self._seed = identities_per_batch, images_per_identity, seed
        check_identities(len(rows), identities_per_batch)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> NDArray[np.int64]:
        """Rows of batch number `step`: (P * K,), images of one identity adjacent.

        With several processes each asks for its own `rank` of `world`: their identities are
        disjoint, and together they are the batch that one process would get with world * P.

        Raises:
            ReidError: fewer than world * P identities. ValueError: rank is not in 0..world-1.
        """
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} is not in 0..{world - 1}")
        check_identities(len(self._rows), self._p, world)
        together = world * self._p
        tour, place = divmod(step, len(self._rows) // together)
        order = np.random.default_rng([self._seed, 0, tour]).permutation(len(self._rows))
        rng = np.random.default_rng([self._seed, 1, step])
        chosen = order[place * together : (place + 1) * together]
        picks = [self._pick(self._rows[i], rng) for i in chosen]
        return np.concatenate(picks[rank * self._p : (rank + 1) * self._p])

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        step = 0
        while True:
            yield self.batch(step)
            step += 1

    def _pick(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """K of an identity's rows."""
        if len(rows) >= self._k:
            return rng.choice(rows, self._k, replace=False)
        whole, rest = divmod(self._k, len(rows))
        return np.concatenate([*[rows] * whole, rng.choice(rows, rest, replace=False)])


def check_identities(found: int, per_batch: int, world: int = 1) -> None:
    """Refuse a data set whose batches would have an identity twice.

    Raises:
        ReidError: fewer than world * per_batch identities were found.
    """
    if found < world * per_batch:
        among = f" on each of {world} processes" if world > 1 else ""
        raise ReidError(
            f"{found} identities, but a batch needs {per_batch}{among}: lower identities_per_batch"
        )
