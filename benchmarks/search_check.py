"""Search for labelled people in an archive: is the right one among the first?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.queries import (
    CropQuery,
    choose_queries,
    majority,
    person_votes,
    rank_of,
    share_within,
)
from benchmarks.sources import frame_size_wh, frames_at
from pipeline.cli_search import models_of
from pipeline.evaluation import LabelledCamera
from pipeline.search import SearchService
from pipeline.search_results import Group
from storage.records import SearchFilter
from storage.store import Store, sqlite_url
from storage.tracklets import Tracklet
from trackers.motfile import MotRows

FIRST = 5
_HITS = 20 * 10  # as `python main.py search` asks for its ten people
Votes = Counter[int]


@dataclass(frozen=True)
class SearchCheck:
    """What searching for every query gave.

    Attributes:
        queries: what was searched for.
        ranks: place of the right person for each query, from 1; None if not found.
        without: (person, camera) pairs that have no fully visible box to search with.
    """

    queries: list[CropQuery]
    ranks: list[int | None]
    without: list[tuple[int, str]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        pairs = zip(self.queries, self.ranks, strict=True)
        return {
            "queries": len(self.queries),
            f"share_in_first_{FIRST}": share_within(self.ranks, FIRST),
            "rank_1": share_within(self.ranks, 1),
            "not_searched": [{"person": p, "camera": c} for p, c in self.without],
            "each": [
                {"person": q.person, "camera": q.camera, "frame": q.frame, "rank": rank}
                for q, rank in pairs
            ],
        }


def check_search(
    store_folder: Path,
    labelled: Sequence[LabelledCamera],
    recordings: Mapping[str, Path],
    last_frame: int,
) -> SearchCheck:
    """Search for each labelled person with a crop of one camera among the others.

    Args:
        store_folder: folder of the archive.
        labelled: ground truth of all cameras.
        recordings: file of each camera.
        last_frame: labels after it do not count.
    """
    sizes = {camera: frame_size_wh(path) for camera, path in recordings.items()}
    queries, without = choose_queries(labelled, sizes, last_frame)
    with Store.open(sqlite_url(store_folder), store_folder / "media", create=False) as store:
        service, _ = models_of(store)
        people = PeopleOfGroups(store, labelled)
        pictures = read_frames(queries, recordings)
        ranks = [
            rank_of(query.person, [people.of(group) for group in _search(service, query, picture)])
            for query, picture in zip(queries, pictures, strict=True)
        ]
    return SearchCheck(queries, ranks, without)


class PeopleOfGroups:
    """Which labelled person a search result shows: the majority of all its labelled boxes.

    Args:
        store: the archive.
        labelled: ground truth of all cameras; people seen only after it count as nobody.
    """

    def __init__(self, store: Store, labelled: Sequence[LabelledCamera]) -> None:
        gt = {one.camera: one.gt for one in labelled}
        tracklets = store.tracklets()
        self._votes = {one.uuid: _votes(one, gt[one.camera]) for one in tracklets}
        self._members: dict[int, list[str]] = {}
        for uuid, link in store.links([one.uuid for one in tracklets]).items():
            if link.identity_id is not None:
                self._members.setdefault(link.identity_id, []).append(uuid)

    def of(self, group: Group) -> int | None:
        """The person; None for somebody who is not labelled."""
        if group.identity_id is None:
            uuids = [hit.tracklet_uuid for hit in group.hits]
        else:
            uuids = self._members[group.identity_id]
        return majority(self._votes[uuid] for uuid in uuids)


def read_frames(
    queries: Sequence[CropQuery], recordings: Mapping[str, Path]
) -> list[NDArray[np.uint8]]:
    """The (H, W, 3) BGR picture of each query; each file is decoded once, from its beginning."""
    found: dict[tuple[str, int], NDArray[np.uint8]] = {}
    for camera, path in recordings.items():
        wanted = {query.frame for query in queries if query.camera == camera}
        for frame, picture in frames_at(path, wanted):
            found[camera, frame] = picture
    return [found[query.camera, query.frame] for query in queries]


def _votes(tracklet: Tracklet, gt: MotRows) -> Votes:
    frames = tracklet.frame_indices + 1
    ids = np.zeros(len(frames), np.int64)
    return person_votes(MotRows(frames, ids, tracklet.boxes_xyxy, tracklet.scores), gt)


def _search(
    service: SearchService, query: CropQuery, picture: NDArray[np.uint8]
) -> tuple[Group, ...]:
    where = SearchFilter(cameras=query.others)
    return service.search_by_image(picture, query.box_xyxy, where=where, limit=_HITS).groups
