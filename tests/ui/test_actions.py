"""What an operator's decision changes in the archive."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import pytest

from pipeline.association.associator import Associator
from pipeline.association.constraints import cannot_link
from pipeline.config import AssociationConfig
from storage.errors import StoreError
from storage.records import LinkRecord
from storage.store import Store
from ui import actions
from ui.context import Context
from ui.html import count_of


def people(store: Store) -> dict[int, set[str]]:
    """Tracklets of each person."""
    return {
        row.id: {t.uuid for t in store.tracklet_rows(identity=row.id)} for row in store.identities()
    }


def busiest(store: Store) -> int:
    """A person with three sightings or more."""
    return max(store.identities(), key=lambda row: row.tracklet_count).id


def test_names(store: Store) -> None:
    assert "Ann Lee" in actions.rename(store, 1, "  Ann \n Lee ", "ada")
    assert store.identities()[0].label == "Ann Lee"
    assert actions.rename(store, 1, " ", "ada") == "The name was removed."
    assert store.identities()[0].label is None
    with pytest.raises(StoreError, match="at most 80 letters, this one has 81"):
        actions.rename(store, 1, "x" * 81, "ada")
    assert store.audit_log(1)[0].actor == "ada"


def can_be_one(store: Store) -> tuple[int, int]:
    """Two people who were never in one camera at one time."""
    seen = {row.id: store.tracklets(identity=row.id) for row in store.identities()}
    pairs = ((a, b) for a in seen for b in seen if a < b)
    return next(p for p in pairs if not cannot_link([*seen[p[0]], *seen[p[1]]]).any())


def test_two_people_become_one(store: Store) -> None:
    before = people(store)
    keep, other = can_be_one(store)
    said = actions.same_person(store, keep, other, "ada")
    assert f"; {count_of(len(before[other]), 'sighting')} added" in said
    assert people(store)[keep] == before[keep] | before[other]
    assert other not in people(store)
    assert {(d.kind, d.actor) for d in store.decisions()} == {("must_link", "ada")}
    with pytest.raises(StoreError, match="same person already"):
        actions.same_person(store, keep, keep, "ada")


def associate_again(store: Store) -> None:
    """Decide everything anew, so strictly that looks alone join nobody."""
    config = SimpleNamespace(cameras=[], association=AssociationConfig(link_probability=0.999))
    Associator(store, config).run(everything=True)


def joined_by_hand(store: Store) -> tuple[int, set[str], str]:
    """Make two people one: the person, all sightings, and the one that all others hang on."""
    before = people(store)
    keep, other = can_be_one(store)
    actions.same_person(store, keep, other, "ada")
    joined = before[keep] | before[other]
    said = store.decisions()
    return keep, joined, next(u for u in joined if all(u in (d.uuid_a, d.uuid_b) for d in said))


def test_association_keeps_two_people_one(store: Store) -> None:
    before = people(store)
    keep, other = can_be_one(store)
    actions.rename(store, keep, "Ann", "ada")
    actions.same_person(store, keep, other, "ada")
    associate_again(store)
    assert people(store)[keep] >= before[keep] | before[other]
    assert next(row.label for row in store.identities() if row.id == keep) == "Ann"


def test_taking_one_sighting_out_leaves_the_others_joined(store: Store) -> None:
    keep, joined, hub = joined_by_hand(store)
    actions.not_this_person(store, keep, hub, "ada")
    associate_again(store)
    rest = joined - {hub}
    assert len(rest) > 1
    assert len({link.identity_id for link in store.links(rest).values()}) == 1
    assert store.links([hub])[hub].identity_id != store.links(rest)[min(rest)].identity_id


def test_a_track_is_taken_out_whole_whichever_of_its_pieces_held_it(store: Store) -> None:
    keep, joined, hub = joined_by_hand(store)
    second = store.tracklet(hub)
    moved = second.times_s + (second.end_s - second.start_s) + 0.1
    piece = replace(second, uuid=str(uuid4()), times_s=moved)
    store.add_tracklets([piece], store.runs()[0].uuid)
    store.apply_links([LinkRecord(piece.uuid, "linked", identity_id=keep)])
    actions.not_this_person(store, keep, piece.uuid, "ada")
    associate_again(store)
    links = store.links([*joined, piece.uuid])
    left = {links[uuid].identity_id for uuid in joined - {hub}}
    assert len(left) == 1
    assert links[hub].identity_id == links[piece.uuid].identity_id
    assert links[hub].identity_id not in left


def test_a_later_word_replaces_an_earlier_one(store: Store) -> None:
    person = busiest(store)
    uuid = sorted(people(store)[person])[0]
    actions.not_this_person(store, person, uuid, "ada")
    actions.same_person(store, person, max(people(store)), "bob")
    assert {d.kind for d in store.decisions()} == {"must_link"}


def test_people_who_were_seen_together_are_not_one(store: Store) -> None:
    keep, other = sorted(people(store))[:2]
    shown = store.tracklets(identity=keep)[0]
    twin = replace(
        shown, uuid=str(uuid4()), track_uuid=str(uuid4()), boxes_xyxy=shown.boxes_xyxy + 500
    )
    store.add_tracklets([twin], store.tracklet_rows()[0].run_uuid)
    store.apply_links([LinkRecord(twin.uuid, "confirmed", identity_id=other)])
    before = people(store)
    with pytest.raises(StoreError, match=f"in camera {shown.camera} at the same time"):
        actions.same_person(store, keep, other, "ada")
    assert people(store) == before
    assert store.decisions() == []


def test_a_sighting_is_taken_apart(store: Store) -> None:
    person = busiest(store)
    before = people(store)[person]
    uuid = sorted(before)[0]
    said = actions.not_this_person(store, person, uuid, "ada")
    after = people(store)
    assert after[person] == before - {uuid}
    created = max(after)
    assert str(created) in said
    assert after[created] == {uuid}
    assert {d.kind for d in store.decisions()} == {"cannot_link"}
    assert len(store.decisions()) == len(before) - 1
    assert store.links([uuid])[uuid].outcome == "confirmed"


def test_the_only_track_cannot_be_taken_apart(store: Store) -> None:
    lone = next(row for row in store.identities() if row.tracklet_count == 1)
    uuid = store.tracklet_rows(identity=lone.id)[0].uuid
    with pytest.raises(StoreError, match="only track"):
        actions.not_this_person(store, lone.id, uuid, "ada")
    actions.confirm_sighting(store, lone.id, uuid, "ada")
    assert store.links([uuid])[uuid].outcome == "confirmed"
    assert store.decisions() == []


def test_a_sighting_is_confirmed(store: Store) -> None:
    person = busiest(store)
    before = people(store)
    uuid = sorted(before[person])[0]
    actions.confirm_sighting(store, person, uuid, "ada")
    assert people(store) == before
    assert store.links([uuid])[uuid].outcome == "confirmed"
    assert [d.kind for d in store.decisions()] == ["must_link"]
    with pytest.raises(StoreError, match="choose one of the sightings"):
        actions.confirm_sighting(store, person, "", "ada")


def test_erasing_needs_the_number_and_reports(context: Context) -> None:
    store = context.store
    person = busiest(store)
    gone = people(store)[person]
    crops = [path for path in store.media.files() if path.split("/")[-1].split("_")[0] in gone]
    context.clips.cut(sorted(gone)[0])
    with pytest.raises(StoreError, match=f"type {person} into the field"):
        actions.erase(store, person, "yes", "ada")
    assert person in people(store)
    said = actions.erase(store, person, f" {person} ", "ada")
    assert f": {count_of(len(gone), 'sighting')}, " in said
    assert f"{len(crops)} pictures" in said
    assert "1 kept clip removed" in said
    assert person not in people(store)
    assert not store.has_tracklets(gone)
    assert not any((store.media.root / crop).exists() for crop in crops)
    assert not list(context.clips.folder.iterdir())
    assert store.audit_log(1)[0].action == "erase_identity"
