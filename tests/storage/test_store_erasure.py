"""Erasing leaves nothing behind, and nobody inherits an id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from store_builders import RUN, T0, tracklet

from storage.errors import StoreError
from storage.media import MediaFolder
from storage.records import ErasureReport, LinkRecord, SearchFilter
from storage.store import Store


@pytest.fixture
def filled(store: Store) -> Store:
    """40 tracklets of two people in turn; person 1 is to be erased."""
    store.add_tracklets(
        [
            tracklet(n, uuid=f"t{n:02}-{'odd' if n % 2 else 'even'}", start_s=T0 + n, dim=256)
            for n in range(40)
        ],
        RUN,
    )
    uuids = [row.uuid for row in store.tracklet_rows()]
    store.apply_links(
        [
            LinkRecord(
                u, "new", identity_key=u[-3:], rejected_identity_key="ven" if "odd" in u else "odd"
            )
            for u in sorted(uuids, key=lambda u: u[-3:])
        ]
    )
    return store


def raw_bytes(store: Store) -> bytes:
    """Everything in the database's files."""
    path = Path(store.database.where)
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))


def traces(store: Store, numbers: range) -> list[bytes]:
    """What would betray the tracklets: pieces of vectors and boxes, as they lie in the files."""
    found = []
    for n in numbers:
        for exemplar in tracklet(n, dim=256).exemplars:
            found.append(exemplar.global_feature.astype("<f2").tobytes()[100:132])
            found.append(exemplar.part_features.astype("<f2").tobytes()[:32])
            found.append(exemplar.box_xyxy.tobytes())
    return found


def test_nothing_is_left_in_the_files(filled: Store) -> None:
    before = raw_bytes(filled)
    odd, even = traces(filled, range(1, 40, 2)), traces(filled, range(0, 40, 2))
    there = [trace for trace in odd + even if trace in before]
    assert len(there) > 0.9 * len(odd + even)  # the rest lies across two pages
    identity = filled.links()["t01-odd"].identity_id
    assert identity is not None
    crops = [filled.media.root / row.crop_path for row in filled.tracklet_rows() if row.crop_path]
    report = filled.erase_identity(identity, "op")
    assert report == ErasureReport((identity,), 20, 40, 40, 20, 0, cleared=True)
    after = raw_bytes(filled)
    assert not [trace for trace in odd if trace in after]
    assert all(trace in after for trace in even if trace in there)
    assert b"odd_0.jpg" not in after
    assert [path.exists() for path in crops] == [n % 2 == 0 for n in range(40)]
    assert filled.orphans(0) == []


def test_no_reference_to_an_erased_person_stays(filled: Store) -> None:
    filled.decide("cannot_link", "t00-even", "t01-odd", "op")
    odd = filled.links()["t01-odd"].identity_id
    assert odd is not None
    report = filled.erase_identity(odd, "anna")
    assert (report.decisions, filled.decisions()) == (1, [])
    assert filled.has_tracklets(["t01-odd", "t00-even"]) == {"t00-even"}
    assert {link.rejected_identity_id for link in filled.links().values()} == {None}
    assert odd not in {row.id for row in filled.identities()}
    entry = filled.audit_log(1)[0]
    assert (entry.actor, entry.action) == ("anna", "erase_identity")
    assert entry.details["tracklets"] == 20
    assert entry.details["identities"] == [odd]
    with pytest.raises(StoreError, match=f"no identity {odd}"):
        filled.erase_identity(odd, "anna")


def test_best_match_and_history_forget_the_erased(store: Store) -> None:
    store.add_tracklets([tracklet(1, uuid="a"), tracklet(2, uuid="b")], RUN)
    ids = store.apply_links([LinkRecord("a", "new", identity_key="x")])
    store.apply_links([LinkRecord("b", "linked", ids["x"], best_match_tracklet="a")])
    store.apply_links([LinkRecord("b", "new", identity_key="y", best_match_tracklet="a")])
    store.erase_identity(ids["x"], "op")
    first, second = store.link_history("b")
    assert (first.identity_id, first.best_match_tracklet) == (None, None)
    assert second.identity_id is not None
    assert second.best_match_tracklet is None


def test_ids_are_never_recycled(filled: Store) -> None:
    highest = max(row.id for row in filled.identities())
    rows = filled.exemplar_scan(SearchFilter(), "model-a").row_ids
    for row in filled.identities():
        filled.erase_identity(row.id, "op")
    assert filled.tracklets() == []
    assert filled.new_identity() == highest + 1
    filled.add_tracklets([tracklet(99)], RUN)
    assert filled.exemplar_scan(SearchFilter(), "model-a").row_ids.min() > rows.max()


def test_a_late_delivery_does_not_bring_a_person_back(filled: Store) -> None:
    odd = filled.links()["t01-odd"].identity_id
    assert odd is not None
    filled.erase_identity(odd, "op")
    again = [tracklet(1, uuid="t01-odd"), tracklet(77, uuid="fresh")]
    assert filled.add_tracklets(again, RUN) == ["fresh"]
    assert filled.has_tracklets(["t01-odd"]) == set()
    assert filled.orphans(0) == []


def test_merged_identities_go_together(store: Store) -> None:
    store.add_tracklets([tracklet(1, uuid="a"), tracklet(2, uuid="b")], RUN)
    ids = store.apply_links([LinkRecord(u, "new", identity_key=u) for u in "ab"])
    store.set_label(ids["b"], "Anna Example", "op")
    store.merge_identities(ids["a"], ids["b"], "op")
    with pytest.raises(StoreError, match=f"merged into {ids['a']}"):
        store.erase_identity(ids["b"], "op")
    report = store.erase_identity(ids["a"], "op")
    assert report.identities == (ids["a"], ids["b"])
    assert (report.tracklets, store.tracklets(), store.identities()) == (2, [], [])
    assert b"Anna Example" not in raw_bytes(store)


def test_an_erasure_that_fails_can_be_repeated(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = filled.links()["t01-odd"].identity_id
    assert odd is not None
    original = MediaFolder.delete

    def stubborn(self: MediaFolder, relative: str) -> bool:
        if "t05" in relative:
            raise StoreError("cannot remove")
        return original(self, relative)

    with monkeypatch.context() as patch:
        patch.setattr(MediaFolder, "delete", stubborn)
        with pytest.raises(StoreError, match="cannot remove"):
            filled.erase_identity(odd, "op")
    assert len(filled.tracklet_rows()) == 40
    report = filled.erase_identity(odd, "op")
    assert (report.tracklets, report.exemplars) == (20, 40)
    assert report.crops < 40
    assert filled.orphans(0) == []


def test_a_reader_delays_the_clearing(filled: Store) -> None:
    odd = filled.links()["t01-odd"].identity_id
    assert odd is not None
    filled.database.scrub()
    with filled.database.read() as session:
        session.connection().exec_driver_sql("SELECT count(*) FROM exemplar").scalar()
        busy = pytest.MonkeyPatch()
        busy.setattr("storage.database.BUSY_TIMEOUT_S", 0.1)
        with Store.open(f"sqlite:///{filled.database.where}", filled.media.root) as impatient:
            report = impatient.erase_identity(odd, "op")
        busy.undo()
    assert not report.cleared
    assert filled.database.scrub()


def test_retention_removes_what_ended_before(filled: Store) -> None:
    kept = [row.uuid for row in filled.tracklet_rows() if row.end_s >= T0 + 10]
    before = filled.new_identity("keeps its place without tracklets")
    report = filled.apply_retention(3600.0, T0 + 3610, "timer")
    assert report.tracklets == 40 - len(kept)
    assert (report.crops, report.cleared, report.identities) == (2 * report.tracklets, True, ())
    assert [row.uuid for row in filled.tracklet_rows()] == kept
    assert filled.orphans(0) == []
    assert filled.audit_log(1)[0].action == "retention"
    again = filled.apply_retention(3600.0, T0 + 3610, "timer")
    assert (again.tracklets, len(filled.audit_log())) == (0, 1)
    report = filled.apply_retention(0.0, T0 + 1e6, "timer")
    assert (len(report.identities), report.tracklets) == (2, len(kept))
    assert [row.id for row in filled.identities()] == [before]


@pytest.mark.parametrize("age", [-1.0, float("nan")])
def test_a_negative_retention_would_remove_the_future(store: Store, age: float) -> None:
    with pytest.raises(StoreError, match="negative"):
        store.apply_retention(age, T0, "timer")


def test_orphans_are_found_and_removed(filled: Store) -> None:
    filled.media.write("crops/cam-1/lost.jpg", b"x")
    (filled.media.root / "notes.txt").write_text("not a crop")
    assert filled.orphans() == []  # too young: a writer may be about to commit
    assert filled.orphans(0) == ["crops/cam-1/lost.jpg"]
    assert filled.remove_orphans("op", 0) == 1
    assert filled.remove_orphans("op", 0) == 0
    assert [row.action for row in filled.audit_log()] == ["remove_orphans"]
    assert len(filled.tracklets(with_crops=True)) == 40
    assert (filled.media.root / "notes.txt").exists()


def test_vectors_are_close_to_what_was_stored() -> None:
    vector = tracklet(1, dim=256).exemplars[0].global_feature
    assert np.abs(vector - vector.astype("<f2").astype(np.float32)).max() < 1e-3
