"""What is searched for: the vectors of one person's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.search_picture import SearchError
from pipeline.search_wearing import worn
from reid.embeddings import Embeddings
from storage.records import SearchFilter
from storage.tracklets import Exemplar, Tracklet

MAX_QUERY_PICTURES = 16


@dataclass(frozen=True)
class Query:
    """Vectors to search for.

    Attributes:
        vectors: Q pictures.
        owners: the Q tracklets that they come from; empty if they come from none.
        cameras: the Q cameras of these tracklets; empty likewise.
    """

    vectors: Embeddings
    owners: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()


def query_of(tracklets: Sequence[Tracklet]) -> Query:
    """Make a query of up to 16 exemplars: the best of each tracklet first.

    Raises:
        SearchError: there is no exemplar, or they are of different models.
    """
    pictures: list[tuple[int, Exemplar, Tracklet]] = [
        (rank, exemplar, tracklet)
        for tracklet in tracklets
        for rank, exemplar in enumerate(tracklet.exemplars)
    ]
    if not pictures:
        raise SearchError("This person has no picture to search with.")
    fingerprints = {tracklet.fingerprint for tracklet in tracklets if tracklet.exemplars}
    if len(fingerprints) > 1:
        raise SearchError(
            "The person's pictures were described by different models and cannot be compared."
        )
    pictures.sort(key=lambda item: (item[0], -item[1].quality))
    chosen = pictures[:MAX_QUERY_PICTURES]
    vectors = Embeddings(
        np.stack([exemplar.global_feature for _, exemplar, _ in chosen]),
        np.stack([exemplar.part_features for _, exemplar, _ in chosen]),
        np.stack([exemplar.part_visibility for _, exemplar, _ in chosen]),
        fingerprints.pop(),
    )
    owners = tuple(tracklet.uuid for _, _, tracklet in chosen)
    return Query(vectors, owners, tuple(tracklet.camera for _, _, tracklet in chosen))


def check_query(query: Embeddings, where: SearchFilter, limit: int) -> None:
    """Refuse what cannot be searched for.

    Raises:
        SearchError: no picture, no result asked for, or a time range that runs backwards.
    """
    if not len(query):
        raise SearchError("There is no picture to search with.")
    check_filter(where, limit)


def check_filter(where: SearchFilter, limit: int) -> None:
    """Refuse what leaves nothing to find.

    Raises:
        SearchError: no result asked for, or a time range that runs backwards.
    """
    if limit < 1:
        raise SearchError(f"At least one result must be asked for, not {limit}.")
    if where.start_s is not None and where.end_s is not None and where.start_s > where.end_s:
        raise SearchError("The time range ends before it begins; swap the two times.")


def filter_dict(where: SearchFilter) -> dict[str, Any]:
    """Return what a filter says as JSON values, for the audit log."""
    names = {"start_s": where.start_s, "end_s": where.end_s, "in_identity": where.identity}
    found: dict[str, Any] = {key: value for key, value in names.items() if value is not None}
    if worn(where):
        found["wearing"] = list(worn(where))
    return found if where.cameras is None else {**found, "cameras": sorted(where.cameras)}


def sentence(text: str) -> str:
    """Start with a capital and end with a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
