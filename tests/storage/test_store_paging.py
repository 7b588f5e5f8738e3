"""Pages put together are the whole list, in one order, and filters leave exactly what they say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_builders import FINGERPRINT, RUN, T0, begin, open_store, tracklet

from storage.records import LinkRecord, SearchFilter
from storage.store import Store

OTHER_RUN = "run-2"
COUNT = 24


@pytest.fixture(scope="module")
def crowd() -> Iterator[Store]:
    """24 tracklets that begin three at a time, in two cameras and two runs; a third have names."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        begin(store)
        store.begin_run(OTHER_RUN, {}, [])
        for run, numbers in ((RUN, range(0, COUNT, 2)), (OTHER_RUN, range(1, COUNT, 2))):
            made = [
                tracklet(n, uuid=f"t{n:02}", camera=f"cam-{n % 2 + 1}", start_s=T0 + 10 * (n // 3))
                for n in reversed(numbers)
            ]
            store.add_tracklets(made, run)
        store.apply_links(
            [LinkRecord(f"t{n:02}", "new", identity_key="a") for n in range(0, COUNT, 3)]
        )
        yield store


def starts(store: Store) -> list[tuple[float, str]]:
    return [(row.start_s, row.uuid) for row in store.tracklet_rows()]


def test_equal_starts_come_by_name(crowd: Store) -> None:
    assert starts(crowd) == sorted(starts(crowd))
    assert len({start for start, _ in starts(crowd)}) == COUNT // 3


@given(size=st.integers(1, COUNT + 2))
def test_pages_put_together_are_everything_once(crowd: Store, size: int) -> None:
    pages = [crowd.tracklet_rows(limit=size, offset=at) for at in range(0, COUNT + size, size)]
    assert all(len(page) <= size for page in pages)
    assert [row for page in pages for row in page] == crowd.tracklet_rows()


@pytest.mark.parametrize(("limit", "offset", "expected"), [(0, 0, 0), (5, COUNT, 0), (None, 20, 4)])
def test_the_ends_of_the_list(crowd: Store, limit: int | None, offset: int, expected: int) -> None:
    assert len(crowd.tracklet_rows(limit=limit, offset=offset)) == expected


moments = st.none() | st.sampled_from([T0 + 5 * step for step in range(-1, 18)])


@settings(max_examples=40, deadline=None)
@given(
    cameras=st.none() | st.sets(st.sampled_from(["cam-1", "cam-2", "cam-9"])),
    start_s=moments,
    end_s=moments,
    run_uuid=st.sampled_from([None, RUN, OTHER_RUN, "run-9"]),
    identity=st.sampled_from([None, 1]),
    size=st.integers(1, 7),
)
def test_a_filter_leaves_what_it_says_and_pages_of_it_agree(
    crowd: Store,
    cameras: set[str] | None,
    start_s: float | None,
    end_s: float | None,
    run_uuid: str | None,
    identity: int | None,
    size: int,
) -> None:
    expected = [
        row
        for row in crowd.tracklet_rows()
        if (cameras is None or row.camera in cameras)
        and (start_s is None or row.end_s >= start_s)
        and (end_s is None or row.start_s <= end_s)
        and (run_uuid is None or row.run_uuid == run_uuid)
        and (identity is None or row.identity_id == identity)
    ]
    left = {"cameras": cameras, "start_s": start_s, "end_s": end_s, "identity": identity}
    assert crowd.tracklet_rows(**left, run_uuid=run_uuid) == expected  # type: ignore[arg-type]
    page = crowd.tracklet_rows(**left, run_uuid=run_uuid, limit=size, offset=2)  # type: ignore[arg-type]
    assert page == expected[2 : 2 + size]
    if run_uuid is None:
        scanned = crowd.exemplar_scan(SearchFilter(**left), FINGERPRINT)  # type: ignore[arg-type]
        assert set(scanned.tracklet_uuids) == {row.uuid for row in expected}


def test_more_names_than_a_statement_takes(crowd: Store) -> None:
    """SQLite refuses very long lists, so they are asked for in pieces."""
    names = [f"t{n:02}" for n in range(40_000)]
    known = {f"t{n:02}" for n in range(COUNT)}
    assert crowd.has_tracklets(names) == known
    assert set(crowd.links(names)) == {f"t{n:02}" for n in range(0, COUNT, 3)}


def test_one_picture_asked_for_many_times(crowd: Store) -> None:
    row = int(crowd.exemplar_scan(SearchFilter(), FINGERPRINT).row_ids[0])
    features, visibility = crowd.parts([row] * 1200)
    assert (features.shape, visibility.shape) == ((1200, 3, 8), (1200, 3))
    assert (features == features[0]).all()
