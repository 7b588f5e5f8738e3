"""The site's own space, in which a search compares pictures; learned from the archive."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from pipeline.association.adaptation import SiteSpace
from storage import models as m
from storage.codec import unit_rows
from storage.scan import generation
from storage.store import Store

_NEWEST = 8192
_GROWTH = 1.2


@dataclass(frozen=True)
class _Learned:
    fingerprint: str
    generation: int
    known: int
    space: SiteSpace


class SearchSpace:
    """Keeps the space of the embedder that was used last; threads may share it.

    It is learned anew when something was erased and when the archive has grown by a fifth.
    """

    def __init__(self, store: Store, *, newest: int = _NEWEST) -> None:
        """Use an archive, of which the `newest` exemplars are learned from."""
        self._store = store
        self._newest = newest
        self._lock = threading.Lock()
        self._learned: _Learned | None = None

    def of(self, fingerprint: str, known: int) -> SiteSpace | None:
        """The space of an embedder's vectors, of which the archive has `known`; None without any.

        Raises:
            StoreError: the database fails.
        """
        with self._lock:
            with self._store.database.read() as session:
                now = generation(session)
            learned = self._learned
            if (
                learned is None
                or (learned.fingerprint, learned.generation) != (fingerprint, now)
                or known > learned.known * _GROWTH
            ):
                space = self._learn(fingerprint)
                learned = None if space is None else _Learned(fingerprint, now, known, space)
                self._learned = learned
            return learned.space if learned else None

    def _learn(self, fingerprint: str) -> SiteSpace | None:
        e, t = m.Exemplar, m.Tracklet
        statement = (
            select(e.vector, t.uuid, t.camera_id)
            .join(t, t.uuid == e.tracklet_uuid)
            .where(t.fingerprint == fingerprint)
            .order_by(e.id.desc())
            .limit(self._newest)
        )
        with self._store.database.read() as session:
            rows = session.execute(statement).all()
        if not rows:
            return None
        camera_of = {uuid: camera for _, uuid, camera in rows}
        place = {uuid: number for number, uuid in enumerate(camera_of)}
        owner = np.array([place[uuid] for _, uuid, _ in rows], np.int64)
        vectors: NDArray[np.float32] = unit_rows(np.stack([vector for vector, _, _ in rows]))
        return SiteSpace.fit(vectors.astype(np.float64), owner, list(camera_of.values()))
