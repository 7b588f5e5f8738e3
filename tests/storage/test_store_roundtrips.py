"""What is written comes back to the last bit that the archive promises to keep."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sqlalchemy import create_engine
from store_builders import FINGERPRINT, RUN, begin, exemplar, open_store, tracklet, unit

from storage.column_types import HalfVector
from storage.errors import StoreError
from storage.records import LinkRecord, Reembedding, SearchFilter
from storage.store import Store

SQLITE = create_engine("sqlite://").dialect
shared_store = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(hnp.arrays(np.float32, st.integers(0, 40), elements=st.floats(-65000, 65000, width=32)))
def test_a_vector_is_rounded_once_and_never_again(vector: np.ndarray) -> None:
    kind = HalfVector()
    stored = kind.process_bind_param(vector, SQLITE)
    found = kind.process_result_value(stored, SQLITE)
    assert found is not None
    np.testing.assert_array_equal(found, vector.astype(np.float16))
    assert kind.process_bind_param(found, SQLITE) == stored


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 70000.0])
def test_a_vector_that_float16_cannot_hold_is_refused(bad: float) -> None:
    with pytest.raises(StoreError, match="not finite"):
        HalfVector().process_bind_param(np.array([0.5, bad]), SQLITE)


def test_no_vector_stays_none() -> None:
    assert HalfVector().process_bind_param(None, SQLITE) is None
    assert HalfVector().process_result_value(None, SQLITE) is None


@pytest.mark.parametrize(("seed", "dim"), [(1, 1), (2, 16), (3, 65)])
def test_a_tracklet_that_was_read_is_stored_the_same_again(
    tmp_path: Path, seed: int, dim: int
) -> None:
    """Half precision costs something once: an archive that is copied does not fade."""
    with open_store(tmp_path / "one") as one, open_store(tmp_path / "two") as two:
        begin(one)
        begin(two)
        first = tracklet(seed, exemplars=1, dim=dim)
        one.add_tracklets([first], RUN)
        once = one.tracklet(first.uuid)
        two.add_tracklets([once], RUN)
        twice = two.tracklet(first.uuid)
    vector = once.exemplars[0].global_feature
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(vector, first.exemplars[0].global_feature, atol=1e-3)
    np.testing.assert_allclose(twice.exemplars[0].global_feature, vector, atol=5e-4)
    np.testing.assert_array_equal(
        twice.exemplars[0].part_visibility, once.exemplars[0].part_visibility
    )
    assert twice.exemplars[0].crop_jpeg == first.exemplars[0].crop_jpeg


def test_exemplars_keep_their_order(store: Store) -> None:
    rng = np.random.default_rng(3)
    pictures = tuple(
        dataclasses.replace(exemplar(rng), quality=quality) for quality in (0.2, 0.9, 0.5, 0.5)
    )
    store.add_tracklets([dataclasses.replace(tracklet(1, uuid="t"), exemplars=pictures)], RUN)
    found = store.tracklet("t").exemplars
    assert [one.quality for one in found] == [0.2, 0.9, 0.5, 0.5]
    assert [one.crop_jpeg for one in found] == [one.crop_jpeg for one in pictures]


@shared_store
@given(
    fields=st.fixed_dictionaries(
        {
            name: numbers
            for name in (
                "probability",
                "global_similarity",
                "part_distance",
                "transit_s",
                "transit_expected_min_s",
                "transit_expected_max_s",
                "rejected_probability",
            )
        }
    ),
    outcome=st.sampled_from(["new", "linked", "abstained", "confirmed"]),
    decided_at=moments,
)
def test_every_number_of_a_link_comes_back(
    store: Store, fields: dict[str, float | None], outcome: Any, decided_at: datetime
) -> None:
    store.add_tracklets([tracklet(1, uuid="a"), tracklet(2, uuid="b")], RUN)
    record = LinkRecord(
        "a",
        outcome,
        identity_id=store.new_identity(),
        best_match_tracklet="b",
        rejected_identity_id=store.new_identity(),
        decided_at=decided_at,
        **fields,
    )
    before = len(store.link_history("a"))
    store.apply_links([record])
    assert store.links(["a"]) == {"a": record}
    assert store.link_history("a")[before:] == [record]


def test_a_link_remembers_the_instant_whatever_the_zone(store: Store) -> None:
    store.add_tracklets([tracklet(1, uuid="a")], RUN)
    told = datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=2)))
    store.apply_links([LinkRecord("a", "abstained", decided_at=told)])
    found = store.links()["a"].decided_at
    assert found == told
    assert found is not None
    assert found.utcoffset() == timedelta(0)


def test_a_link_without_a_zone_is_refused(store: Store) -> None:
    store.add_tracklets([tracklet(1, uuid="a")], RUN)
    naive = datetime(2026, 1, 5, 9)  # noqa: DTZ001
    with pytest.raises(StoreError, match="has no time zone"):
        store.apply_links([LinkRecord("a", "abstained", decided_at=naive)])
    assert store.links() == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@shared_store
@given(
    actor=st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text),
    details=st.dictionaries(st.text(max_size=5), json_values, max_size=4),
)
def test_the_audit_log_keeps_details_of_any_shape(
    store: Store, actor: str, details: dict[str, Any]
) -> None:
    store.audit(actor, "search", details)
    (line,) = store.audit_log(1)
    assert (line.actor, line.details) == (actor, details)


@pytest.mark.parametrize("label", ["Ann", "Łucja 東京 🙂", "x'; DROP TABLE identity; --", "%_", ""])
def test_names_come_back_as_they_were_given(store: Store, label: str) -> None:
    person = store.new_identity()
    store.set_label(person, label, "op")
    assert store.identities()[0].label == label
    store.set_label(person, None, "op")
    assert store.identities()[0].label is None


def test_new_vectors_replace_the_old_ones_and_nothing_else(store: Store) -> None:
    store.add_tracklets([tracklet(1, uuid="t"), tracklet(2, uuid="u")], RUN)
    before = store.tracklet("t")
    rng = np.random.default_rng(9)
    new = Reembedding("t", FINGERPRINT, unit(rng, 2, 16), unit(rng, 2, 3, 8), np.full((2, 3), 0.5))
    store.reembed([new])
    after = store.tracklet("t")
    for rank, (old, now) in enumerate(zip(before.exemplars, after.exemplars, strict=True)):
        assert (now.crop_jpeg, now.quality, now.time_s) == (old.crop_jpeg, old.quality, old.time_s)
        np.testing.assert_allclose(now.global_feature, new.global_features[rank], atol=1e-3)
        np.testing.assert_allclose(now.part_features, new.part_features[rank], atol=1e-3)
        np.testing.assert_array_equal(now.part_visibility, new.part_visibility[rank])
    np.testing.assert_array_equal(before.boxes_xyxy, after.boxes_xyxy)
    scanned = store.exemplar_scan(SearchFilter(), FINGERPRINT)
    assert scanned.tracklet_uuids == ["t", "t", "u", "u"]


def test_if_one_tracklet_cannot_be_reembedded_none_is(store: Store) -> None:
    store.add_tracklets([tracklet(1, uuid="t")], RUN)
    rng = np.random.default_rng(9)
    good = Reembedding("t", "model-b", unit(rng, 2, 16), unit(rng, 2, 3, 8), np.ones((2, 3)))
    with pytest.raises(StoreError, match="no tracklet gone"):
        store.reembed([good, dataclasses.replace(good, tracklet_uuid="gone")])
    assert store.tracklet("t").fingerprint == FINGERPRINT


def test_an_archive_may_be_moved(tmp_path: Path) -> None:
    with open_store(tmp_path / "here") as store:
        begin(store)
        store.add_tracklets([tracklet(1, uuid="t")], RUN)
        crop = store.tracklet("t").exemplars[0].crop_jpeg
    (tmp_path / "here").rename(tmp_path / "there")
    with open_store(tmp_path / "there", create=False) as store:
        assert store.tracklet("t").exemplars[0].crop_jpeg == crop
