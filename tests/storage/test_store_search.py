"""Scan and index find exactly what brute force finds, and never mix embedders."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from store_builders import FINGERPRINT, RUN, T0, begin, open_store, tracklet, unit

from storage.errors import StoreError
from storage.index import VectorIndex, top_k
from storage.records import LinkRecord, Reembedding, SearchFilter
from storage.store import Store
from storage.tracklets import Tracklet

ALL = SearchFilter()


def fill(store: Store, numbers: range) -> None:
    """Store t0, t1, ...: alternating cameras, 10 s apart, every third of one identity."""
    store.add_tracklets(
        [
            tracklet(n, uuid=f"t{n}", camera=f"cam-{n % 2 + 1}", start_s=T0 + 10 * n)
            for n in numbers
        ],
        RUN,
    )


def left_by(search: SearchFilter, everything: list[Tracklet], linked: set[str]) -> set[str]:
    """The filter said again, in Python."""
    return {
        t.uuid
        for t in everything
        if (search.cameras is None or t.camera in search.cameras)
        and (search.start_s is None or t.end_s >= search.start_s)
        and (search.end_s is None or t.start_s <= search.end_s)
        and (search.identity is None or t.uuid in linked)
        and t.uuid not in search.exclude_tracklets
    }


MOMENTS = st.none() | st.floats(T0 - 10, T0 + 130)
FILTERS = st.builds(
    SearchFilter,
    cameras=st.none() | st.sets(st.sampled_from(["cam-1", "cam-2", "cam-3"])),
    start_s=MOMENTS,
    end_s=MOMENTS,
    identity=st.sampled_from([None, None, 1]),
    exclude_tracklets=st.sets(st.sampled_from([f"t{n}" for n in range(12)])),
)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(FILTERS, min_size=1, max_size=6),
    st.integers(1, 30),
    st.integers(1, 9),
    st.integers(0, 2**32),
)
def test_index_equals_brute_force(
    searches: list[SearchFilter], k: int, chunk_rows: int, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        begin(store)
        index = VectorIndex(store, FINGERPRINT, chunk_rows=chunk_rows)
        queries = unit(np.random.default_rng(seed), 2, 16)
        store.new_identity()
        for step, search in enumerate(searches):
            fill(store, range(2 * step, 2 * step + 2))
            linked = {f"t{n}" for n in range(0, 2 * step + 2, 3)}
            store.apply_links([LinkRecord(u, "linked", identity_id=1) for u in linked])
            everything = store.tracklets()
            scanned = store.exemplar_scan(search, FINGERPRINT)
            assert set(scanned.tracklet_uuids) == left_by(search, everything, linked)
            expected = queries @ scanned.vectors.reshape(-1, 16).T
            found = index.search(queries, search, k)
            order = np.argsort(-expected, axis=1, kind="stable")[:, :k]
            np.testing.assert_array_equal(found.row_ids, scanned.row_ids[order])
            best = np.take_along_axis(expected, order, 1)
            np.testing.assert_allclose(found.similarities, best, atol=1e-6)
            assert found.tracklet_uuids == [
                [scanned.tracklet_uuids[place] for place in line] for line in order
            ]


def test_scan_returns_the_vectors_of_its_rows(store: Store) -> None:
    fill(store, range(3))
    matrix = store.exemplar_scan(ALL, FINGERPRINT)
    assert matrix.fingerprint == FINGERPRINT
    assert matrix.vectors.dtype == np.float32
    assert (np.diff(matrix.row_ids) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(matrix.vectors, axis=1), 1, atol=1e-6)
    places = zip(matrix.tracklet_uuids, matrix.ranks, strict=True)
    for place, (uuid, rank) in enumerate(places):
        expected = tracklet(int(uuid[1:]), uuid=uuid, start_s=T0 + 10 * int(uuid[1:])).exemplars[
            rank
        ]
        np.testing.assert_allclose(matrix.vectors[place], expected.global_feature, atol=1e-3)
        features, visibility = store.parts([matrix.row_ids[place]])
        np.testing.assert_allclose(features[0], expected.part_features, atol=1e-3)
        np.testing.assert_allclose(visibility[0], expected.part_visibility, atol=1e-3)


def test_parts_come_in_the_order_asked(store: Store) -> None:
    fill(store, range(3))
    ids = store.exemplar_scan(ALL, FINGERPRINT).row_ids[[4, 0, 4, 2]]
    features, visibility = store.parts(ids)
    assert (features.shape, visibility.shape) == ((4, 3, 8), (4, 3))
    np.testing.assert_array_equal(features[0], features[2])
    np.testing.assert_array_equal(features[3], store.parts(ids[3:])[0][0])
    with pytest.raises(StoreError, match="no exemplar 999"):
        store.parts([int(ids[0]), 999])
    assert store.parts([])[0].shape == (0, 0, 0)


def test_an_empty_archive_has_nothing(store: Store) -> None:
    matrix = store.exemplar_scan(ALL, FINGERPRINT)
    assert (matrix.vectors.shape, len(matrix.row_ids)) == ((0, 0), 0)
    found = VectorIndex(store, FINGERPRINT).search(np.ones(16, np.float32), ALL, 5)
    assert (found.row_ids.shape, found.tracklet_uuids) == ((1, 0), [[]])


def test_other_embedders_are_refused_by_name(store: Store) -> None:
    fill(store, range(2))
    store.add_tracklets([tracklet(9, uuid="other", fingerprint="model-b", exemplars=3)], RUN)
    message = r"model-b \(3 pictures\).*query's model-a; .*reembed.* embedder"
    index = VectorIndex(store, FINGERPRINT)
    for search in (ALL, SearchFilter(cameras=["cam-1"])):
        with pytest.raises(StoreError, match=message):
            store.exemplar_scan(search, FINGERPRINT)
        with pytest.raises(StoreError, match=message):
            index.search(np.ones(16, np.float32), search, 1)
    for search in (SearchFilter(cameras=["cam-2"]), SearchFilter(exclude_tracklets=["other"])):
        assert set(store.exemplar_scan(search, FINGERPRINT).tracklet_uuids) <= {"t0", "t1"}
        assert index.search(np.ones(16, np.float32), search, 1).row_ids.shape == (1, 1)


def test_tracklets_without_pictures_do_not_stop_a_search(store: Store) -> None:
    store.add_tracklets([tracklet(1, exemplars=0, fingerprint="model-b")], RUN)
    assert len(store.exemplar_scan(ALL, FINGERPRINT).row_ids) == 0


def test_vectors_of_wrong_length_are_refused(store: Store) -> None:
    fill(store, range(2))
    index = VectorIndex(store, FINGERPRINT)
    with pytest.raises(StoreError, match="the query has 8 numbers"):
        index.search(np.ones(8, np.float32), ALL, 1)
    store.add_tracklets([tracklet(5, dim=32)], RUN)
    with pytest.raises(StoreError, match="different lengths"):
        index.refresh()
    with pytest.raises(StoreError, match="different lengths"):
        store.exemplar_scan(ALL, FINGERPRINT)


def test_the_index_reads_only_what_is_new(store: Store) -> None:
    index = VectorIndex(store, FINGERPRINT)
    fill(store, range(3))
    assert index.refresh() == 6
    fill(store, range(3, 5))
    assert index.refresh() == 4
    assert index.refresh() == 0
    assert len(index) == 10


def test_erased_vectors_leave_the_index(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, open_store(tmp_path) as other:
        begin(store)
        fill(store, range(3))
        ids = store.apply_links([LinkRecord("t2", "new", identity_key="x")])
        index = VectorIndex(store, FINGERPRINT)
        gone = store.tracklet("t2").exemplars[0].global_feature
        assert index.search(gone, ALL, 1).tracklet_uuids == [["t2"]]
        other.erase_identity(ids["x"], "op")  # as another process would
        assert index.search(gone, ALL, 1).tracklet_uuids != [["t2"]]
        assert len(index) == 4
        fill(store, range(7, 8))
        assert index.refresh() == 2


def test_reembedding_replaces_vectors(store: Store) -> None:
    fill(store, range(2))
    index = VectorIndex(store, FINGERPRINT)
    index.refresh()
    rng = np.random.default_rng(5)
    new = [
        Reembedding(f"t{n}", "model-b", unit(rng, 2, 4), unit(rng, 2, 5, 6), np.ones((2, 5)))
        for n in range(2)
    ]
    store.reembed(new[:1])
    with pytest.raises(StoreError, match="model-b"):
        store.exemplar_scan(ALL, FINGERPRINT)
    store.reembed(new[1:])
    matrix = store.exemplar_scan(ALL, "model-b")
    expected = np.concatenate([n.global_features for n in new])
    np.testing.assert_allclose(matrix.vectors, expected, atol=1e-3)
    assert store.parts(matrix.row_ids)[0].shape == (4, 5, 6)
    assert index.refresh() == 0
    assert len(index) == 0


def test_reembedding_holds_few_tracklets_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.reembed._HELD", 2)
    fill(store, range(5))
    rng = np.random.default_rng(5)
    vectors = {f"t{n}": unit(rng, 2, 4) for n in range(5)}
    store.reembed(
        Reembedding(uuid, "model-b", vector, unit(rng, 2, 5, 6), np.ones((2, 5)))
        for uuid, vector in vectors.items()
    )
    assert store.pictures_by_fingerprint() == {"model-b": 10}
    for uuid, wanted in vectors.items():
        found = [exemplar.global_feature for exemplar in store.tracklet(uuid).exemplars]
        np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"tracklet_uuid": "nobody"},
        {"global_features": np.ones((3, 4), np.float32)},
        {"part_visibility": np.ones((2, 4), np.float32)},
    ],
)
def test_reembedding_must_fit(store: Store, change: dict[str, object]) -> None:
    fill(store, range(1))
    rng = np.random.default_rng(5)
    good = Reembedding("t0", "model-b", unit(rng, 2, 4), unit(rng, 2, 5, 6), np.ones((2, 5)))
    with pytest.raises(StoreError, match="tracklet"):
        store.reembed([dataclasses.replace(good, **change)])  # type: ignore[arg-type]
    assert store.tracklet("t0").fingerprint == FINGERPRINT


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40),
    st.integers(1, 8),
)
def test_top_k_takes_the_first_of_equals(values: list[int], k: int) -> None:
    similarities = np.array([values], np.float32)
    row_ids = np.arange(len(values))[None] + 100
    best, ids = top_k(similarities, row_ids, k)
    expected = sorted(zip([-v for v in values], row_ids[0], strict=True))[:k]
    assert list(zip(-best[0], ids[0], strict=True)) == expected


def test_top_k_of_nothing_is_a_mistake() -> None:
    with pytest.raises(StoreError, match="0 neighbours"):
        top_k(np.ones((1, 1), np.float32), np.ones((1, 1), np.int64), 0)


def test_a_function_is_applied_to_what_the_filter_leaves(store: Store) -> None:
    fill(store, range(5))
    search = SearchFilter(cameras=["cam-1"], exclude_tracklets=["t2"])
    expected = store.exemplar_scan(search, FINGERPRINT)
    sizes: list[int] = []

    def first_two(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        sizes.append(len(vectors))
        return vectors[:, :2]

    index = VectorIndex(store, FINGERPRINT, chunk_rows=3)
    row_ids, uuids, values = index.mapped(search, first_two)
    np.testing.assert_array_equal(row_ids, expected.row_ids)
    assert uuids == expected.tracklet_uuids
    np.testing.assert_allclose(values, expected.vectors[:, :2], atol=1e-6)
    assert max(sizes) == 3
    assert sum(sizes) == len(row_ids)
    nothing = index.mapped(SearchFilter(cameras=[]), first_two)
    assert (nothing[0].shape, nothing[1], nothing[2].shape) == ((0,), [], (0, 0))
