"""Tracklets go in and come out the same, once."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from store_builders import RUN, T0, assert_same, begin, open_store, tracklet

from storage.errors import StoreError
from storage.records import LinkRecord
from storage.store import Store
from storage.tracklets import Tracklet

FLOATS = st.floats(-1e6, 1e6, width=32)


@st.composite
def tracklets(draw: st.DrawFn) -> Tracklet:
    """Any well-formed tracklet."""
    count = draw(st.integers(1, 40))
    numbers = st.integers(0, 2**62)
    gaps = draw(hnp.arrays(np.float64, count, elements=st.floats(0, 1e5)))
    return dataclasses.replace(
        tracklet(draw(st.integers(0, 2**32)), exemplars=draw(st.integers(0, 4))),
        camera=draw(st.text("abc/.\\äß 0", max_size=8)),
        source=draw(st.text(st.characters(codec="utf-8"), max_size=8)),
        frame_indices=np.sort(draw(hnp.arrays(np.int64, count, elements=numbers))),
        times_s=T0 + np.cumsum(gaps),
        boxes_xyxy=draw(hnp.arrays(np.float32, (count, 4), elements=FLOATS)),
        scores=draw(hnp.arrays(np.float32, count, elements=st.floats(0, 1, width=32))),
        source_offset_s=draw(st.floats(0, 1e9)),
        source_fps=draw(st.floats(0.5, 240)),
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(tracklets(), max_size=4, unique_by=lambda t: t.uuid))
def test_what_goes_in_comes_out(given_tracklets: list[Tracklet]) -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        begin(store)
        uuids = [t.uuid for t in given_tracklets]
        assert store.add_tracklets(given_tracklets, RUN) == uuids
        assert store.has_tracklets([*uuids, "other"]) == set(uuids)
        for expected in given_tracklets:
            assert_same(store.tracklet(expected.uuid), expected)
        expected_order = sorted(given_tracklets, key=lambda t: (t.start_s, t.uuid))
        for found, expected in zip(store.tracklets(), expected_order, strict=True):
            assert_same(found, expected, crops=False)


def test_second_delivery_changes_nothing(store: Store) -> None:
    first = tracklet(1)
    changed = dataclasses.replace(first, source_fps=99.0)
    assert store.add_tracklets([first], RUN) == [first.uuid]
    assert store.add_tracklets([changed, tracklet(2)], RUN) == [tracklet(2).uuid]
    assert_same(store.tracklet(first.uuid), first)


def test_same_tracklet_twice_in_one_delivery_counts_once(store: Store) -> None:
    assert store.add_tracklets([tracklet(1), tracklet(2), tracklet(1)], RUN) == [
        tracklet(1).uuid,
        tracklet(2).uuid,
    ]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "abc"),
        ({"cameras": ["cam-1"]}, "ac"),
        ({"cameras": []}, ""),
        ({"start_s": T0 + 50}, "bc"),
        ({"end_s": T0 + 99}, "a"),
        ({"start_s": T0 + 0.32, "end_s": T0 + 100}, "ab"),  # touching counts as overlap
        ({"identity": 1}, "bc"),
        ({"run_uuid": RUN}, "abc"),
        ({"run_uuid": "other"}, ""),
    ],
)
def test_filters(store: Store, filters: dict[str, object], expected: str) -> None:
    store.add_tracklets(
        [
            tracklet(3, uuid="c", start_s=T0 + 200),
            tracklet(1, uuid="a"),
            tracklet(2, uuid="b", start_s=T0 + 100, camera="cam-2"),
        ],
        RUN,
    )
    store.apply_links([LinkRecord(u, "new", identity_key="k") for u in "bc"])
    assert "".join(t.uuid for t in store.tracklets(**filters)) == expected  # type: ignore[arg-type]
    assert "".join(t.uuid for t in store.tracklet_rows(**filters)) == expected  # type: ignore[arg-type]


def test_light_rows(store: Store) -> None:
    store.add_tracklets([tracklet(n, uuid=f"t{n}", start_s=T0 + n) for n in range(4)], RUN)
    store.apply_links([LinkRecord("t1", "new", identity_key="k")])
    row = store.tracklet_rows()[1]
    full = store.tracklet("t1")
    assert (row.camera, row.start_s, row.end_s) == ("cam-1", full.start_s, full.end_s)
    assert (row.identity_id, row.box_count, row.exemplar_count) == (1, 5, 2)
    assert row.mean_score == pytest.approx(full.scores.mean())
    assert row.crop_path == "crops/cam-1/2023-11-14/t1_0.jpg"
    assert (store.media.root / row.crop_path).read_bytes() == full.exemplars[0].crop_jpeg
    assert [r.uuid for r in store.tracklet_rows(limit=2, offset=1)] == ["t1", "t2"]


def test_a_tracklet_without_pictures_has_no_crop(store: Store) -> None:
    store.add_tracklets([tracklet(1, exemplars=0)], RUN)
    assert store.tracklet_rows()[0].crop_path is None


def test_interpolated_boxes_do_not_lower_the_mean_score(store: Store) -> None:
    scores = np.array([0.5, 0, 0, 1, 0], np.float32)
    store.add_tracklets([dataclasses.replace(tracklet(1), scores=scores)], RUN)
    assert store.tracklet_rows()[0].mean_score == 0.75


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uuid": "../../x"}, "not a valid uuid"),
        ({"uuid": ""}, "not a valid uuid"),
        ({"times_s": np.empty(0)}, "no boxes"),
        ({"times_s": np.zeros(3)}, "arrays of shapes"),
        ({"scores": np.zeros(4, np.float32)}, "arrays of shapes"),
        ({"times_s": np.array([2.0, 1, 3, 4, 5])}, "ascending"),
        ({"times_s": np.array([1, 2, 3, 4, np.nan])}, "ascending"),
    ],
)
def test_malformed_tracklets_are_refused(
    store: Store, change: dict[str, object], message: str
) -> None:
    bad = dataclasses.replace(tracklet(1), **change)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=message):
        store.add_tracklets([tracklet(2), bad], RUN)
    assert store.tracklets() == []
    assert store.orphans(0) == []


@pytest.mark.parametrize(
    "change",
    [
        {"global_feature": np.full(16, np.nan, np.float32)},
        {"global_feature": np.ones((2, 8), np.float32)},
        {"part_visibility": np.ones(2, np.float32)},
        {"box_xyxy": np.ones(3, np.float32)},
    ],
)
def test_malformed_exemplars_are_refused(store: Store, change: dict[str, object]) -> None:
    good = tracklet(1)
    bad = dataclasses.replace(good.exemplars[0], **change)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=good.uuid):
        store.add_tracklets([dataclasses.replace(good, exemplars=(bad,))], RUN)


def test_unknown_tracklet_and_run(store: Store) -> None:
    with pytest.raises(StoreError, match="no tracklet nobody"):
        store.tracklet("nobody")
    with pytest.raises(StoreError, match="no run other"):
        store.add_tracklets([tracklet(1)], "other")
    with pytest.raises(StoreError, match="no identity 7"):
        store.tracklets(identity=7)


def test_missing_crop_names_the_file(store: Store) -> None:
    store.add_tracklets([tracklet(1, uuid="t")], RUN)
    (store.media.root / "crops/cam-1/2023-11-14/t_1.jpg").unlink()
    with pytest.raises(StoreError, match=r"t_1\.jpg: cannot read"):
        store.tracklet("t")
    assert len(store.tracklets()) == 1


def test_delivery_of_an_unconfigured_camera_is_kept(store: Store) -> None:
    store.add_tracklets([tracklet(1, camera="gone")], RUN)
    assert "gone" in {row.id for row in store.cameras()}


def test_credentials_are_not_stored(store: Store) -> None:
    secret = dataclasses.replace(tracklet(1), source="rtsp://me:pw@host/live?token=abc&x=1")
    store.add_tracklets([secret], RUN)
    assert store.tracklets()[0].source == "rtsp://host/live?token=***&x=1"
