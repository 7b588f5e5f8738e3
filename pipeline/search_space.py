"""The site's own space, in which a search compares pictures; learned from the archive."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from pipeline.association.adaptation import SiteSpace
from storage import models as m
from storage.codec import unit_rows
from storage.scan import generation
from storage.store import Store

log = logging.getLogger(__name__)

_MOST = 8192
_LEAST_PER_CAMERA = 64
_GROWTH = 0.2


@dataclass(frozen=True)
class _Learned:
    fingerprint: str
    generation: int
    known: int
    space: SiteSpace


class SearchSpace:
    """Keeps the space of the embedder that was used last; threads may share it.

    It is learned from each camera's newest exemplars, and anew when something was erased and when
    as many exemplars have come as a fifth of those.

    Args:
        store: the archive.
        most: exemplars to learn from, shared evenly among the cameras; each has at least 64.
            Raising it makes the means steadier and the first search slower.
    """

    def __init__(self, store: Store, *, most: int = _MOST) -> None:
        self._store = store
        self._most = most
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
                or known - learned.known > _GROWTH * min(learned.known, self._most)
            ):
                space = self._learn(fingerprint)
                learned = None if space is None else _Learned(fingerprint, now, known, space)
                self._learned = learned
            return learned.space if learned else None

    def _learn(self, fingerprint: str) -> SiteSpace | None:
        rows = self._sample(fingerprint)
        length = len(rows[0][0]) if rows else 0
        usable = [row for row in rows if len(row[0]) == length and np.isfinite(row[0]).all()]
        if len(usable) < len(rows):
            log.warning("%d damaged vectors are left out", len(rows) - len(usable))
        if not usable:
            return None
        camera_of = {uuid: camera for _, uuid, camera in usable}
        place = {uuid: number for number, uuid in enumerate(camera_of)}
        owner = np.array([place[uuid] for _, uuid, _ in usable], np.int64)
        vectors = unit_rows(np.stack([vector for vector, _, _ in usable]))
        return SiteSpace.fit(vectors.astype(np.float64), owner, list(camera_of.values()))

    def _sample(self, fingerprint: str) -> list[tuple[NDArray[np.float16], str, str]]:
        """(vector, tracklet, camera) of each camera's newest exemplars, newest first."""
        e, t = m.Exemplar, m.Tracklet
        age = func.row_number().over(partition_by=t.camera_id, order_by=e.id.desc())
        ranked = (
            select(e.id.label("row_id"), t.camera_id.label("camera"), age.label("age"))
            .join(t, t.uuid == e.tracklet_uuid)
            .where(t.fingerprint == fingerprint)
            .subquery()
        )
        with self._store.database.read() as session:
            cameras = session.scalar(select(func.count(ranked.c.camera.distinct()))) or 1
            each = max(_LEAST_PER_CAMERA, self._most // cameras)
            statement = (
                select(e.vector, e.tracklet_uuid, ranked.c.camera)
                .join(ranked, ranked.c.row_id == e.id)
                .where(ranked.c.age <= each)
                .order_by(e.id.desc())
            )
            return [(row[0], row[1], row[2]) for row in session.execute(statement)]
