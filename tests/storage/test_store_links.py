"""Links, their history, identities, merges and operator decisions."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from store_builders import RUN, T0, tracklet

from storage.errors import StoreError
from storage.records import LinkRecord
from storage.store import Store

WHEN = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def filled(store: Store) -> Store:
    """An archive with the tracklets a, b, c and d, alternating between two cameras."""
    store.add_tracklets(
        [
            tracklet(n, uuid=name, start_s=T0 + n, camera=f"cam-{n % 2 + 1}")
            for n, name in enumerate("abcd")
        ],
        RUN,
    )
    return store


def full_record(identity: int, rejected: int) -> LinkRecord:
    """A record with every field."""
    return LinkRecord(
        tracklet_uuid="b",
        outcome="linked",
        identity_id=identity,
        probability=0.93,
        global_similarity=0.81,
        part_distance=0.4,
        transit_s=12.5,
        transit_expected_min_s=5.0,
        transit_expected_max_s=60.0,
        best_match_tracklet="a",
        rejected_identity_id=rejected,
        rejected_probability=0.2,
        decided_at=WHEN,
    )


def test_the_why_comes_back(filled: Store) -> None:
    one, two = filled.new_identity("Anna"), filled.new_identity()
    record = full_record(one, two)
    assert filled.apply_links([record]) == {}
    assert filled.links() == {"b": record}
    assert filled.links(["a", "b", "nobody"]) == {"b": record}


def test_keys_create_one_identity_each_in_one_call(filled: Store) -> None:
    ids = filled.apply_links(
        [
            LinkRecord("a", "new", identity_key="x"),
            LinkRecord("b", "linked", identity_key="x", rejected_identity_key="y"),
            LinkRecord("c", "new", identity_key="y"),
            LinkRecord("d", "abstained", rejected_identity_key="unused"),
        ]
    )
    assert set(ids) == {"x", "y"}
    links = filled.links()
    assert links["a"].identity_id == links["b"].identity_id == ids["x"]
    assert links["b"].rejected_identity_id == links["c"].identity_id == ids["y"]
    assert (links["d"].identity_id, links["d"].rejected_identity_id) == (None, None)
    again = filled.apply_links([LinkRecord("d", "new", identity_key="x")])
    assert again["x"] not in ids.values()


def test_a_revision_keeps_the_history(filled: Store) -> None:
    one, two = filled.new_identity(), filled.new_identity()
    filled.apply_links([LinkRecord("a", "new", identity_id=one, decided_at=WHEN)])
    filled.apply_links([LinkRecord("a", "abstained", probability=0.5, decided_at=WHEN)])
    filled.apply_links([LinkRecord("a", "linked", identity_id=two, decided_at=WHEN)])
    assert [r.outcome for r in filled.link_history("a")] == ["new", "abstained", "linked"]
    assert [r.identity_id for r in filled.link_history("a")] == [one, None, two]
    assert filled.links()["a"].identity_id == two
    assert filled.link_history("b") == []


def test_saying_the_same_again_adds_no_revision(filled: Store) -> None:
    record = full_record(filled.new_identity(), filled.new_identity())
    filled.apply_links([record])
    filled.apply_links([dataclasses.replace(record, decided_at=None)])
    assert filled.link_history("b") == [record]


def test_a_link_is_stamped_with_now(filled: Store) -> None:
    before = datetime.now(UTC)
    filled.apply_links([LinkRecord("a", "abstained")])
    decided = filled.links()["a"].decided_at
    assert decided is not None
    assert before <= decided <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([LinkRecord("nobody", "abstained")], "no tracklet nobody"),
        ([LinkRecord("b", "linked", identity_id=99)], "no identity 99"),
        ([LinkRecord("b", "linked")], "needs an identity"),
        ([LinkRecord("b", "linked", identity_id=1, identity_key="x")], "both an identity"),
        ([LinkRecord("b", "maybe", identity_key="x")], "unknown outcome"),  # type: ignore[arg-type]
        ([LinkRecord("b", "abstained"), LinkRecord("b", "abstained")], "two links for one"),
        (
            [LinkRecord("b", "abstained", decided_at=datetime(2024, 1, 1))],  # noqa: DTZ001
            "has no time zone",
        ),
    ],
)
def test_a_bad_record_stores_nothing_of_its_call(
    filled: Store, records: list[LinkRecord], message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        filled.apply_links([LinkRecord("a", "new", identity_key="new"), *records])
    assert filled.links() == {}
    assert filled.identities() == []


def test_evidence_that_is_gone_is_forgotten(filled: Store) -> None:
    record = LinkRecord(
        "a", "new", identity_key="x", best_match_tracklet="gone", rejected_identity_id=99
    )
    filled.apply_links([record])
    link = filled.links()["a"]
    assert (link.best_match_tracklet, link.rejected_identity_id) == (None, None)


def test_identities_tell_where_they_were_seen(filled: Store) -> None:
    filled.apply_links(
        [LinkRecord(u, "new", identity_key="x") for u in "abc"]
        + [LinkRecord("d", "new", identity_key="y")]
    )
    empty = filled.new_identity("Nobody yet")
    one, two, three = filled.identities()
    assert (one.tracklet_count, one.cameras) == (3, ("cam-1", "cam-2"))
    assert (one.first_s, one.last_s) == (T0, filled.tracklet("c").end_s)
    assert (two.tracklet_count, two.cameras) == (1, ("cam-2",))
    assert (three.id, three.label) == (empty, "Nobody yet")
    assert (three.tracklet_count, three.cameras, three.first_s) == (0, (), None)
    pictures = [(e.quality, f"_{r}.jpg") for r, e in enumerate(filled.tracklet("d").exemplars)]
    assert two.crop_path is not None
    assert two.crop_path.endswith("d" + max(pictures)[1])
    assert three.crop_path is None


def test_merge_moves_links_and_keeps_the_why(filled: Store) -> None:
    keep, drop, third = (filled.new_identity(label) for label in (None, "Anna", "Ben"))
    filled.apply_links([full_record(drop, keep), LinkRecord("c", "new", identity_id=keep)])
    filled.merge_identities(keep, drop, "operator")
    moved = filled.links()["b"]
    assert (moved.identity_id, moved.outcome) == (keep, "confirmed")
    assert (moved.global_similarity, moved.best_match_tracklet) == (0.81, "a")
    assert [r.identity_id for r in filled.link_history("b")] == [drop, keep]
    assert [(row.id, row.label) for row in filled.identities()] == [(keep, "Anna"), (third, "Ben")]
    assert filled.audit_log(1)[0].details == {"keep": keep, "drop": drop, "tracklets": 1}


def test_old_ids_lead_to_the_survivor(filled: Store) -> None:
    a, b, c = (filled.new_identity() for _ in range(3))
    filled.merge_identities(b, a, "op")
    filled.merge_identities(c, b, "op")
    filled.apply_links([LinkRecord("a", "linked", identity_id=a)])
    assert filled.links()["a"].identity_id == c
    assert [t.uuid for t in filled.tracklets(identity=a)] == ["a"]
    filled.set_label(a, "Anna", "op")
    assert [(row.id, row.label) for row in filled.identities()] == [(c, "Anna")]
    with pytest.raises(StoreError, match="same person already"):
        filled.merge_identities(a, b, "op")
    with pytest.raises(StoreError, match="no identity 99"):
        filled.merge_identities(a, 99, "op")


def test_decisions(filled: Store) -> None:
    filled.decide("must_link", "b", "a", "anna")
    filled.decide("cannot_link", "c", "d", "anna")
    filled.decide("cannot_link", "a", "b", "ben")
    found = {(d.kind, d.uuid_a, d.uuid_b, d.actor) for d in filled.decisions()}
    assert found == {("cannot_link", "a", "b", "ben"), ("cannot_link", "c", "d", "anna")}
    assert len(filled.audit_log()) == 3


@pytest.mark.parametrize(
    ("kind", "a", "b", "message"),
    [
        ("perhaps", "a", "b", "unknown decision"),
        ("must_link", "a", "a", "two tracklets"),
        ("must_link", "a", "nobody", "no tracklet nobody"),
    ],
)
def test_useless_decisions(filled: Store, kind: str, a: str, b: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        filled.decide(kind, a, b, "op")  # type: ignore[arg-type]
    assert filled.decisions() == []
