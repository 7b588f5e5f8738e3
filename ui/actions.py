"""What an operator does to people: same, not the same, name, erase."""

from __future__ import annotations

import numpy as np

from pipeline.association.constraints import cannot_link
from pipeline.clips import remove_all_clips
from storage.errors import StoreError
from storage.records import LinkRecord, TrackletRow
from storage.store import Store
from storage.tracklets import Tracklet
from ui.html import count_of

MAX_LABEL = 80


def rename(store: Store, identity_id: int, label: str, actor: str) -> str:
    """Name a person, or take the name away with an empty text; returns what was done.

    Raises:
        StoreError: there is no such person or the name is too long.
    """
    name = " ".join(label.split())
    if len(name) > MAX_LABEL:
        raise StoreError(f"a name has at most {MAX_LABEL} letters, this one has {len(name)}")
    store.set_label(identity_id, name or None, actor)
    return f"Person {identity_id} is now called {name}." if name else "The name was removed."


def same_person(store: Store, keep: int, other: int, actor: str) -> str:
    """Say that two identities are one person, for now and for later association.

    All their sightings are tied together, so that a later association cannot break them up.

    Raises:
        StoreError: one does not exist, they are one already, or both were seen in one camera at
            one time in different places.
    """
    kept, moved = store.tracklets(identity=keep), store.tracklets(identity=other)
    camera = _seen_together(kept, moved)
    if camera:
        raise StoreError(
            f"person {keep} and person {other} were in camera {camera} at the same time, so they "
            "are not one; first take the wrong sightings out of them"
        )
    store.merge_identities(keep, other, actor)
    sightings = [tracklet.uuid for tracklet in [*kept, *moved]]
    for uuid in sightings[1:]:
        store.decide("must_link", sightings[0], uuid, actor)
    for said in store.decisions():
        if said.kind == "cannot_link" and {said.uuid_a, said.uuid_b} <= set(sightings):
            store.decide("must_link", said.uuid_a, said.uuid_b, actor)
    added = count_of(len(moved), "sighting")
    return f"Person {other} is the same as person {keep}; {added} added."


def _seen_together(kept: list[Tracklet], moved: list[Tracklet]) -> str | None:
    """A camera in which both were at one time, in different places."""
    impossible = cannot_link([*kept, *moved])[: len(kept), len(kept) :]
    return kept[int(np.argwhere(impossible)[0, 0])].camera if impossible.any() else None


def confirm_sighting(store: Store, identity_id: int, uuid: str, actor: str) -> str:
    """Say that a sighting is rightly this person's; its whole track is confirmed.

    Raises:
        StoreError: the sighting is not this person's.
    """
    track, others = _split(store, identity_id, uuid)
    if others:
        store.decide("must_link", uuid, others[0].uuid, actor)
    store.apply_links([LinkRecord(row.uuid, "confirmed", identity_id=identity_id) for row in track])
    return f"Confirmed: this is person {identity_id}."


def not_this_person(store: Store, identity_id: int, uuid: str, actor: str) -> str:
    """Say that a sighting is somebody else: its whole track becomes a new person.

    Raises:
        StoreError: the sighting is not this person's, or nothing else would be left.
    """
    track, others = _split(store, identity_id, uuid)
    if not others:
        raise StoreError(
            f"this is the only track of person {identity_id}; there is nobody to keep it apart from"
        )
    ties = _ties(store, {row.uuid for row in track}, {row.uuid for row in others})
    for piece, other in sorted(ties | {(uuid, row.uuid) for row in others}):
        store.decide("cannot_link", piece, other, actor)
    first, *rest = sorted({other for _, other in ties}) or [""]
    for other in rest:  # what this track held together stays together
        store.decide("must_link", first, other, actor)
    created = store.apply_links(
        [LinkRecord(row.uuid, "confirmed", identity_key="other") for row in track]
    )
    return f"Taken apart: the sighting is now person {created['other']}."


def _ties(store: Store, track: set[str], others: set[str]) -> set[tuple[str, str]]:
    """The pairs of one of the track and one of the others that an operator has joined."""
    said = [(d.uuid_a, d.uuid_b) for d in store.decisions() if d.kind == "must_link"]
    return {(a, b) for pair in said for a, b in (pair, pair[::-1]) if a in track and b in others}


def _split(
    store: Store, identity_id: int, uuid: str
) -> tuple[list[TrackletRow], list[TrackletRow]]:
    """Return the sighting's track, and the person's other sightings."""
    rows = store.tracklet_rows(identity=identity_id)
    chosen = next((row for row in rows if row.uuid == uuid), None)
    if chosen is None:
        raise StoreError(f"choose one of the sightings of person {identity_id} first")
    track = [row for row in rows if row.track_uuid == chosen.track_uuid]
    return track, [row for row in rows if row.track_uuid != chosen.track_uuid]


def erase(store: Store, identity_id: int, confirmation: str, actor: str) -> str:
    """Remove a person from the archive and return the report.

    Args:
        store: the archive.
        identity_id: the person.
        confirmation: the number again, as typed by the operator.
        actor: for the audit log.

    Raises:
        StoreError: the number differs, or the person does not exist.
    """
    if confirmation.strip() != str(identity_id):
        raise StoreError(f"type {identity_id} into the field to erase person {identity_id}")
    report = store.erase_identity(identity_id, actor)
    clips = remove_all_clips(store)
    left = "" if report.cleared else " The database still has to clear its files."
    return (
        f"Person {identity_id} was erased: {count_of(report.tracklets, 'sighting')}, "
        f"{count_of(report.exemplars, 'vector')}, {count_of(report.crops, 'picture')}, "
        f"{count_of(report.links, 'link')} and {count_of(report.decisions, 'decision')}; "
        f"{count_of(clips, 'kept clip')} removed. "
        f"The recordings themselves are not changed.{left}"
    )
