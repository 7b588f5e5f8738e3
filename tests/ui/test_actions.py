"""What an operator's decision changes in the archive."""

from __future__ import annotations

import pytest

from storage.errors import StoreError
from storage.store import Store
from ui import actions
from ui.context import Context


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


def test_two_people_become_one(store: Store) -> None:
    before = people(store)
    keep, other = sorted(before)[:2]
    said = actions.same_person(store, keep, other, "ada")
    assert f"{len(before[other])} sightings" in said
    assert people(store)[keep] == before[keep] | before[other]
    assert other not in people(store)
    assert [(d.kind, d.actor) for d in store.decisions()] == [("must_link", "ada")]
    with pytest.raises(StoreError, match="same person already"):
        actions.same_person(store, keep, keep, "ada")


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
    assert f"{len(gone)} sightings" in said
    assert f"{len(crops)} pictures" in said
    assert "1 kept clips" in said
    assert person not in people(store)
    assert not store.has_tracklets(gone)
    assert not any((store.media.root / crop).exists() for crop in crops)
    assert not list(context.clips.folder.iterdir())
    assert store.audit_log(1)[0].action == "erase_identity"
