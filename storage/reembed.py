"""Replace vectors after the embedder has changed; pictures and links stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy.orm import Session

from storage import models as m
from storage.codec import half_bytes
from storage.errors import StoreError
from storage.records import Reembedding
from storage.scan import raise_generation


def apply(session: Session, updates: Sequence[Reembedding]) -> None:
    """Store new vectors of whole tracklets.

    Raises:
        StoreError: a tracklet does not exist, or its vectors are not one per exemplar.
    """
    for new in updates:
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
    if updates:
        raise_generation(session)


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
