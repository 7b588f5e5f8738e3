"""The rows that belong to the exemplars of a shortlist: who, where, when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from storage import models as m
from storage.codec import unit_rows
from storage.filters import chunked
from storage.store import Store


@dataclass(frozen=True)
class ShortlistRow:
    """One exemplar of the shortlist with its tracklet.

    Attributes:
        row_id: the exemplar.
        rank: its place among the pictures of its tracklet; 0 is the best.
        time_s: POSIX seconds at which it was taken.
        crop_path: relative to the media folder.
        tracklet_uuid: its tracklet.
        track_uuid: shared by the pieces of one track.
        camera: id of the camera.
        start_s: POSIX seconds of the tracklet's first box.
        end_s: POSIX seconds of the tracklet's last box.
        vector: (D,) float32 whole-body vector of length 1.
    """

    row_id: int
    rank: int
    time_s: float
    crop_path: str
    tracklet_uuid: str
    track_uuid: str
    camera: str
    start_s: float
    end_s: float
    vector: NDArray[np.float32]


def shortlist_rows(store: Store, row_ids: Sequence[int]) -> list[ShortlistRow]:
    """Return the rows of exemplars by rising id; those erased meanwhile are missing."""
    e, t = m.Exemplar, m.Tracklet
    named = (e.id.label("row_id"), t.uuid.label("tracklet_uuid"), t.camera_id.label("camera"))
    columns = (e.rank, e.time_s, e.crop_path, e.vector, t.track_uuid, t.start_s, t.end_s)
    found: list[ShortlistRow] = []
    with store.database.read() as session:
        for chunk in chunked(row_ids):
            statement = (
                select(*named, *columns).join(t, t.uuid == e.tracklet_uuid).where(e.id.in_(chunk))
            )
            for row in session.execute(statement):
                values = dict(row._mapping)
                found.append(ShortlistRow(**{**values, "vector": unit_rows(values["vector"])}))
    return sorted(found, key=lambda row: row.row_id)


def labels(store: Store, identity_ids: Iterable[int]) -> dict[int, str | None]:
    """Return the names that operators gave to identities."""
    found: dict[int, str | None] = {}
    with store.database.read() as session:
        for chunk in chunked(identity_ids):
            statement = select(m.Identity.id, m.Identity.label).where(m.Identity.id.in_(chunk))
            found.update({row[0]: row[1] for row in session.execute(statement)})
    return found
