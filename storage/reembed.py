"""Replace vectors after the embedder has changed; pictures and links stay."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage import models as m
from storage.codec import half_bytes
from storage.errors import StoreError
from storage.records import Reembedding
from storage.scan import raise_generation

_HELD = 200
"""Tracklets that are in memory at a time; an archive may have more than fit."""


def apply(session: Session, updates: Iterable[Reembedding]) -> None:
    """Store new vectors of whole tracklets; `updates` is asked for them one by one.

    Raises:
        StoreError: a tracklet does not exist, or its vectors are not one per exemplar.
    """
    count = 0
    for count, new in enumerate(updates, 1):
        row = session.get(m.Tracklet, new.tracklet_uuid)
        if row is None:
            raise StoreError(f"there is no tracklet {new.tracklet_uuid}")
        _check(new, len(row.exemplars))
        row.fingerprint = new.fingerprint
        for rank, exemplar in enumerate(row.exemplars):
            exemplar.vector = np.asarray(new.global_features[rank], dtype=np.float16)
            exemplar.dim = new.global_features.shape[1]
            exemplar.parts = half_bytes(new.part_features[rank])
            exemplar.part_count, exemplar.part_dim = new.part_features.shape[1:]
            exemplar.visibility = half_bytes(new.part_visibility[rank])
        if count % _HELD == 0:
            session.flush()
            session.expunge_all()
    if count:
        raise_generation(session)


def use_weights(session: Session, weights: str) -> None:
    """Note in the newest run's configuration which embedder its vectors are compared with."""
    run = session.scalars(select(m.Run).order_by(m.Run.started_at.desc(), m.Run.uuid)).first()
    if run is not None:
        embedder = {**run.config.get("embedder", {}), "weights": weights}
        run.config = {**run.config, "embedder": embedder}


def pictures_by_fingerprint(session: Session) -> dict[str, int]:
    """How many stored pictures were embedded by each embedder."""
    counted = (
        select(m.Tracklet.fingerprint, func.count())
        .join(m.Exemplar)
        .group_by(m.Tracklet.fingerprint)
        .order_by(m.Tracklet.fingerprint)
    )
    return {fingerprint: count for fingerprint, count in session.execute(counted)}


def _check(new: Reembedding, count: int) -> None:
    """Check that there is one set of vectors for each exemplar."""
    shapes = (new.global_features.shape, new.part_features.shape, new.part_visibility.shape)
    right = (
        new.global_features.ndim == 2
        and new.part_features.ndim == 3
        and new.part_visibility.shape == new.part_features.shape[:2]
        and {shape[0] for shape in shapes} == {count}
    )
    if not right:
        raise StoreError(
            f"tracklet {new.tracklet_uuid} has {count} exemplars, the new vectors are {shapes}"
        )
