"""Vectors out of the archive: what a filter leaves, and only of one embedder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from storage import models as m
from storage.codec import half_array, unit_rows
from storage.errors import StoreError
from storage.filters import chunked, conditions
from storage.records import ExemplarMatrix, SearchFilter

_BATCH = 1000
GENERATION = "generation"


def exemplar_rows(
    session: Session, search: SearchFilter, fingerprint: str
) -> list[tuple[int, str, int, int]]:
    """Return (row id, tracklet uuid, rank, D) of what the filter leaves, ascending.

    Raises:
        StoreError: any of it is of another embedder than ``fingerprint``.
    """
    skipped = set(search.exclude_tracklets)
    where = conditions(session, search)
    _check_fingerprints(session, where, skipped, fingerprint)
    statement = (
        select(m.Exemplar.id, m.Exemplar.tracklet_uuid, m.Exemplar.rank, m.Exemplar.dim)
        .join(m.Tracklet)
        .where(*where)
        .order_by(m.Exemplar.id)
    )
    return [
        (row[0], row[1], row[2], row[3])
        for row in session.execute(statement)
        if row[1] not in skipped
    ]


def _check_fingerprints(
    session: Session, where: list[ColumnElement[bool]], skipped: set[str], fingerprint: str
) -> None:
    """Refuse to compare vectors of different embedders."""
    statement = (
        select(m.Tracklet.uuid, m.Tracklet.fingerprint, func.count())
        .join(m.Exemplar)
        .where(*where, m.Tracklet.fingerprint != fingerprint)
        .group_by(m.Tracklet.uuid, m.Tracklet.fingerprint)
    )
    counts: dict[str, int] = {}
    for uuid, other, count in session.execute(statement):
        if uuid not in skipped:
            counts[other] = counts.get(other, 0) + count
    if counts:
        listed = ", ".join(f"{name} ({count} pictures)" for name, count in sorted(counts.items()))
        raise StoreError(
            f"the archive holds vectors of other models, {listed}, than the query's "
            f"{fingerprint}; `python main.py reembed` embeds them anew, or set embedder.weights to "
            "the model of that time"
        )


def exemplar_matrix(session: Session, search: SearchFilter, fingerprint: str) -> ExemplarMatrix:
    """Return the global vectors that the filter leaves.

    Raises:
        StoreError: they are not all of ``fingerprint`` and of one length.
    """
    rows = exemplar_rows(session, search, fingerprint)
    row_ids = np.array([row[0] for row in rows], dtype=np.int64)
    dims = {row[3] for row in rows}
    if len(dims) > 1:
        raise StoreError(f"vectors of {fingerprint} have different lengths: {sorted(dims)}")
    vectors = np.empty((len(rows), max(dims, default=0)), dtype=np.float32)
    statement = (
        select(m.Exemplar.id, m.Exemplar.vector)
        .join(m.Tracklet)
        .where(*conditions(session, search))
        .order_by(m.Exemplar.id)
        .execution_options(yield_per=_BATCH)
    )
    place = 0
    for row_id, vector in session.execute(statement):
        if place < len(row_ids) and row_id == row_ids[place]:
            if vector.shape != vectors.shape[1:]:
                raise StoreError(f"damaged vector in the archive: {len(vector)} numbers")
            vectors[place] = vector
            place += 1
    return ExemplarMatrix(
        row_ids=row_ids,
        tracklet_uuids=[row[1] for row in rows],
        ranks=np.array([row[2] for row in rows], dtype=np.int64),
        vectors=unit_rows(vectors),
        fingerprint=fingerprint,
    )


def parts(
    session: Session, row_ids: Sequence[int] | NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return part vectors (n, P, d), rows of length 1, and visibility (n, P), in that order.

    Raises:
        StoreError: a row does not exist, or the rows differ in P or d.
    """
    wanted = [int(row_id) for row_id in row_ids]
    e = m.Exemplar
    found: dict[int, tuple[bytes, bytes]] = {}
    shapes: set[tuple[int, int]] = set()
    for chunk in chunked(dict.fromkeys(wanted)):
        statement = select(e.id, e.part_count, e.part_dim, e.parts, e.visibility)
        for row_id, count, dim, blob, seen in session.execute(statement.where(e.id.in_(chunk))):
            found[row_id] = (blob, seen)
            shapes.add((count, dim))
    missing = set(wanted) - set(found)
    if missing:
        raise StoreError(f"there is no exemplar {min(missing)}; it may have been erased")
    if len(shapes) > 1:
        raise StoreError(f"exemplars have different parts: {sorted(shapes)}")
    count, dim = next(iter(shapes), (0, 0))
    features = np.empty((len(wanted), count, dim), dtype=np.float32)
    visibility = np.empty((len(wanted), count), dtype=np.float32)
    for place, row_id in enumerate(wanted):
        features[place] = half_array(found[row_id][0], (count, dim))
        visibility[place] = half_array(found[row_id][1], (count,))
    return unit_rows(features), visibility


def generation(session: Session) -> int:
    """Return a number that rises whenever rows that were read before are no longer true."""
    row = session.get(m.Meta, GENERATION)
    return row.value if row else 0


def raise_generation(session: Session) -> None:
    """Tell every index, in every process, to start anew."""
    row = session.get(m.Meta, GENERATION)
    if row is None:
        session.add(m.Meta(key=GENERATION, value=1))
    else:
        row.value += 1
