"""Exact nearest vectors from memory: a projection of the database that may be thrown away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage import models as m
from storage.codec import unit_rows
from storage.errors import StoreError
from storage.records import SearchFilter
from storage.scan import exemplar_rows, generation
from storage.store import Store

_BATCH = 1000


@dataclass(frozen=True)
class Neighbours:
    """The nearest exemplars of Q queries, best first.

    Attributes:
        row_ids: (Q, K) int64 exemplar rows; K is smaller than asked if the filter leaves less.
        similarities: (Q, K) float32 cosines.
        tracklet_uuids: Q lists of K uuids.
    """

    row_ids: NDArray[np.int64]
    similarities: NDArray[np.float32]
    tracklet_uuids: list[list[str]]


class VectorIndex:
    """All vectors of one embedder as float16 in memory; threads may share it.

    The database decides what a filter leaves, so links and filters are never stale; only the
    vectors are kept. They are read once, by rising row id. When rows are erased or re-embedded,
    by any process, everything is read anew.
    """

    def __init__(self, store: Store, fingerprint: str, *, chunk_rows: int = 8192) -> None:
        """Start empty.

        Args:
            store: the archive.
            fingerprint: the embedder whose vectors are kept.
            chunk_rows: rows compared at a time. Larger is a little faster, and takes
                ``chunk_rows * (D + Q)`` more float32 numbers of memory.
        """
        self._store = store
        self._fingerprint = fingerprint
        self._chunk_rows = chunk_rows
        self._lock = threading.Lock()
        self._forget(-1)

    def __len__(self) -> int:
        """Return how many vectors are kept."""
        return self._count

    def refresh(self) -> int:
        """Read the vectors that came since the last time; returns how many.

        Raises:
            StoreError: vectors of one fingerprint differ in length.
        """
        with self._lock, self._store.database.read() as session:
            return self._refresh(session)

    def search(self, queries: NDArray[np.float32], search: SearchFilter, k: int) -> Neighbours:
        """Return the ``k`` most similar exemplars that the filter leaves; ties by row id.

        Args:
            queries: (Q, D) or (D,) vectors; they are scaled to length 1.
            search: the filter.
            k: at least 1.

        Raises:
            StoreError: the filter leaves vectors of another embedder, or D does not agree.
        """
        wanted = unit_rows(np.atleast_2d(queries))
        with self._lock, self._store.database.read() as session:
            rows = exemplar_rows(session, search, self._fingerprint)
            self._refresh(session)
            if rows and wanted.shape[1] != self._vectors.shape[1]:
                raise StoreError(
                    f"the query has {wanted.shape[1]} numbers, "
                    f"the archive's vectors have {self._vectors.shape[1]}"
                )
            allowed = np.array([row[0] for row in rows], dtype=np.int64)
            row_ids, similarities = self._nearest(wanted, allowed, k)
        uuids = {row[0]: row[1] for row in rows}
        return Neighbours(
            row_ids=row_ids,
            similarities=similarities,
            tracklet_uuids=[[uuids[int(row_id)] for row_id in line] for line in row_ids],
        )

    def mapped(
        self, search: SearchFilter, function: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    ) -> tuple[NDArray[np.int64], list[str], NDArray[np.float32]]:
        """Apply a function to the vectors that the filter leaves, some at a time.

        Args:
            search: the filter.
            function: (n, D) vectors of length 1 -> (n, L).

        Returns:
            row_ids: (M,) exemplar rows, ascending. tracklet_uuids: M uuids.
            values: (M, L); L is 0 when M is 0.

        Raises:
            StoreError: the filter leaves vectors of another embedder.
        """
        with self._lock, self._store.database.read() as session:
            rows = exemplar_rows(session, search, self._fingerprint)
            self._refresh(session)
            row_ids = np.array([row[0] for row in rows], dtype=np.int64)
            places = np.searchsorted(self._row_ids[: self._count], row_ids)
            values = [
                function(unit_rows(self._vectors[places[start : start + self._chunk_rows]]))
                for start in range(0, len(places), self._chunk_rows)
            ]
        found = np.concatenate(values) if values else np.empty((0, 0), np.float32)
        return row_ids, [row[1] for row in rows], found

    def _nearest(
        self, queries: NDArray[np.float32], allowed: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Compare chunk by chunk, keeping the best k of each query."""
        places = np.searchsorted(self._row_ids[: self._count], allowed)
        best = np.empty((len(queries), 0), dtype=np.float32)
        ids = np.empty((len(queries), 0), dtype=np.int64)
        for start in range(0, len(allowed), self._chunk_rows):
            part = slice(start, start + self._chunk_rows)
            similarities = queries @ unit_rows(self._vectors[places[part]]).T
            tiled = np.broadcast_to(allowed[part], similarities.shape)
            best, ids = top_k(np.hstack([best, similarities]), np.hstack([ids, tiled]), k)
        return ids, best

    def _forget(self, of_generation: int) -> None:
        """Drop everything."""
        self._generation = of_generation
        self._count = 0
        self._row_ids = np.empty(0, dtype=np.int64)
        self._vectors = np.empty((0, 0), dtype=np.float16)

    def _refresh(self, session: Session) -> int:
        """Read new rows in the snapshot of ``session``."""
        now = generation(session)
        if now != self._generation:
            self._forget(now)
        last = int(self._row_ids[self._count - 1]) if self._count else 0
        statement = (
            select(m.Exemplar.id, m.Exemplar.vector)
            .join(m.Tracklet)
            .where(m.Exemplar.id > last, m.Tracklet.fingerprint == self._fingerprint)
            .order_by(m.Exemplar.id)
            .execution_options(yield_per=_BATCH)
        )
        before = self._count
        for rows in session.execute(statement).partitions():
            self._append([row[0] for row in rows], [row[1] for row in rows])
        return self._count - before

    def _append(self, row_ids: list[int], vectors: list[NDArray[np.float16]]) -> None:
        """Add rows at the end, doubling the room when it is used up."""
        dims = {len(vector) for vector in vectors} | ({self._vectors.shape[1]} - {0})
        if len(dims) > 1:
            raise StoreError(
                f"vectors of {self._fingerprint} have different lengths: {sorted(dims)}"
            )
        end = self._count + len(row_ids)
        if end > len(self._row_ids):
            room = max(end, 2 * len(self._row_ids))
            grown = np.empty((room, dims.pop()), dtype=np.float16)
            if self._count:
                grown[: self._count] = self._vectors[: self._count]
            self._vectors = grown
            self._row_ids = np.resize(self._row_ids, room)
        self._row_ids[self._count : end] = row_ids
        self._vectors[self._count : end] = vectors
        self._count = end


def top_k(
    similarities: NDArray[np.float32], row_ids: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the ``k`` largest of each line of (Q, M) and their row ids, best first.

    Equal similarities go by rising row id, also at the cut.
    """
    if k < 1:
        raise StoreError(f"cannot look for {k} neighbours")
    if similarities.shape[1] > 4 * k:
        cut = -np.partition(-similarities, k - 1, axis=1)[:, k - 1 : k]
        keep = (similarities >= cut).any(axis=0)
        similarities, row_ids = similarities[:, keep], row_ids[:, keep]
    order = np.lexsort((row_ids, -similarities), axis=1)[:, :k]
    return np.take_along_axis(similarities, order, 1), np.take_along_axis(row_ids, order, 1)
