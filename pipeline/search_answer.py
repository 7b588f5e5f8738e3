"""From hits to what an operator sees: one group per person, or why there is nobody."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.search_picture import SearchError
from pipeline.search_results import Group, Hit, Why
from pipeline.search_rows import ShortlistRow, labels, shortlist_rows
from pipeline.search_score import BestPairs
from pipeline.search_wearing import Fitting, worn
from storage.records import SearchFilter
from storage.store import Store


def grouped(store: Store, hits: Sequence[tuple[Hit, ShortlistRow]]) -> tuple[Group, ...]:
    """Group hits by person; without one, by track."""
    found: dict[int | str, list[Hit]] = {}
    for hit, row in hits:
        identity = hit.why.link.identity_id if hit.why.link else None
        found.setdefault(row.track_uuid if identity is None else identity, []).append(hit)
    names = labels(store, (key for key in found if isinstance(key, int)))
    return tuple(
        Group(key, names.get(key), tuple(of_one))
        if isinstance(key, int)
        else Group(None, None, tuple(of_one))
        for key, of_one in found.items()
    )


def compared(
    store: Store, rows: Sequence[ShortlistRow], pairs: BestPairs, fits: Fitting, limit: int
) -> list[tuple[Hit, ShortlistRow]]:
    """The best picture of each tracklet, best first; ``pairs`` are of ``rows``."""
    best: dict[str, int] = {}
    for place in np.argsort(-pairs.scores, kind="stable"):
        best.setdefault(rows[place].tracklet_uuid, int(place))
    chosen = list(best.items())[:limit]
    links = store.links([uuid for uuid, _ in chosen])
    found = []
    for uuid, place in chosen:
        row, distance = rows[place], float(pairs.part_distances[place])
        why = Why(
            global_similarity=float(pairs.similarities[place]),
            part_distance=None if np.isnan(distance) else distance,
            query_index=int(pairs.query_indices[place]),
            exemplar_rank=row.rank,
            exemplar_time_s=row.time_s,
            link=links.get(uuid),
            wearing=fits.of(uuid),
        )
        found.append((_hit(row, float(pairs.scores[place]), why), row))
    return found


def _hit(row: ShortlistRow, score: float, why: Why) -> Hit:
    span = (row.start_s, row.end_s, row.crop_path)
    return Hit(row.tracklet_uuid, row.camera, *span, max(0.0, score), why)


def listed(store: Store, fits: Fitting, limit: int) -> list[tuple[Hit, ShortlistRow]]:
    """Those who fit the clothing best, best first, each with the best picture of the tracklet."""
    uuids = sorted(fits.scores, key=lambda uuid: (-fits.scores[uuid], uuid))[:limit]
    rows = {r.tracklet_uuid: r for r in shortlist_rows(store, [fits.pictures[u] for u in uuids])}
    links = store.links(list(rows))
    found = []
    for uuid in uuids:
        if uuid in rows:  # not erased meanwhile
            row = rows[uuid]
            why = Why(None, None, None, row.rank, row.time_s, links.get(uuid), fits.of(uuid))
            found.append((_hit(row, fits.scores[uuid], why), row))
    return found


def nobody(store: Store, where: SearchFilter, fits: Fitting) -> str:
    """Say why nothing is left to compare with.

    Raises:
        SearchError: the archive is empty or a camera does not exist.
    """
    cameras = store.cameras()
    if not any(camera.tracklet_count for camera in cameras):
        raise SearchError(
            "The archive holds no people yet; run `python main.py --sources cams.yaml` first."
        )
    known = [camera.id for camera in cameras]
    unknown = sorted(set(where.cameras or ()) - set(known))
    if unknown:
        raise SearchError(f"There is no camera {unknown[0]!r}; known: {', '.join(known)}.")
    if fits.others:
        return f"Nobody seen by these cameras in this time range fits: {', '.join(worn(where))}."
    return "Nobody was seen by these cameras in this time range."
