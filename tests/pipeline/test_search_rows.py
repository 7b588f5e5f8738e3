"""The rows behind a shortlist: each with its own tracklet, and none of the erased."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from search_builders import RUN, T0, open_archive, tracklet

from pipeline.search_rows import labels, shortlist_rows
from storage.records import LinkRecord, SearchFilter
from storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Red with two pictures in one camera, green with three in the other."""
    with open_archive(tmp_path) as opened:
        green = tracklet("green-1", "green", "cam-2", T0 + 60, track="track-g", pictures=3)
        opened.add_tracklets([tracklet("red-1", "red"), green], RUN)
        yield opened


def every_row(store: Store) -> list[int]:
    return store.exemplar_scan(SearchFilter(), "colour-1").row_ids.tolist()


def test_rows_say_who_where_and_when(store: Store) -> None:
    rows = shortlist_rows(store, every_row(store))
    assert [(row.tracklet_uuid, row.rank) for row in rows] == [
        ("red-1", 0),
        ("red-1", 1),
        ("green-1", 0),
        ("green-1", 1),
        ("green-1", 2),
    ]
    last = rows[-1]
    assert (last.camera, last.track_uuid) == ("cam-2", "track-g")
    assert (last.start_s, last.end_s, last.time_s) == (T0 + 60, T0 + 61, T0 + 60.2)
    assert (store.media.root / last.crop_path).is_file()
    for row in rows:
        stored = store.tracklet(row.tracklet_uuid).exemplars[row.rank]
        np.testing.assert_array_equal(row.vector, stored.global_feature)


def test_the_order_asked_for_does_not_matter(store: Store) -> None:
    ids = every_row(store)
    forwards, backwards = shortlist_rows(store, ids), shortlist_rows(store, ids[::-1])
    assert [row.row_id for row in forwards] == [row.row_id for row in backwards] == sorted(ids)


def test_whoever_was_erased_meanwhile_is_missing(store: Store) -> None:
    ids = every_row(store)
    person = store.apply_links([LinkRecord("red-1", "new", identity_key="r")])["r"]
    store.erase_identity(person, "op")
    assert {row.tracklet_uuid for row in shortlist_rows(store, ids)} == {"green-1"}
    assert labels(store, [person]) == {}


def test_nothing_asked(store: Store) -> None:
    assert shortlist_rows(store, []) == []
    assert labels(store, []) == {}


def test_names_of_people(store: Store) -> None:
    one, two = store.new_identity("Ann"), store.new_identity()
    assert labels(store, iter([one, two, 99])) == {one: "Ann", two: None}
