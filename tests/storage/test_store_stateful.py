"""Any order of storing, linking, merging and erasing keeps the archive true to a plain model."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from store_builders import FINGERPRINT, RUN, T0, begin, open_store, tracklet

from storage.errors import StoreError
from storage.index import VectorIndex
from storage.records import LinkRecord, SearchFilter
from storage.store import Store

NAMES = [f"t{number}" for number in range(8)]
names = st.sampled_from(NAMES)
REMEMBERED = {"erased", "audit"}
"""Tables that may still name an erased tracklet: the list of the erased, and what was said."""


class Archive(RuleBasedStateMachine):
    """The store beside sets and dictionaries that say what it must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store: Store = open_store(Path(self.folder.name))
        begin(self.store)
        self.index = VectorIndex(self.store, FINGERPRINT)
        self.stored: set[str] = set()
        self.erased: set[str] = set()
        self.linked: dict[str, int] = {}
        self.people: dict[int, str | None] = {}
        self.merged: dict[int, int] = {}
        self.said: dict[tuple[str, str], str] = {}
        self.given: set[int] = set()

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @initialize()
    def something_to_begin_with(self) -> None:
        self.deliver(NAMES[:4])

    @rule(wanted=st.lists(names, min_size=1, max_size=4))
    def deliver(self, wanted: list[str]) -> None:
        """Deliveries may repeat themselves and may come after an erasure."""
        new = [name for name in dict.fromkeys(wanted) if name not in self.stored | self.erased]
        made = [
            tracklet(int(name[1:]), uuid=name, start_s=T0 + 10 * int(name[1:])) for name in wanted
        ]
        assert self.store.add_tracklets(made, RUN) == new
        self.stored.update(new)

    @precondition(lambda self: self.stored)
    @rule(data=st.data())
    def somebody_new(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.stored)), min_size=1, unique=True))
        ids = self.store.apply_links(
            [LinkRecord(name, "new", identity_key="somebody") for name in chosen]
        )
        (person,) = ids.values()
        assert person not in self.given, "numbers are never given twice"
        self.given.add(person)
        self.people[person] = None
        self.linked.update(dict.fromkeys(chosen, person))

    @precondition(lambda self: self.stored and self.people)
    @rule(data=st.data())
    def relink(self, data: st.DataObject) -> None:
        """To anybody who ever was: an old number leads to the person it was merged into."""
        name = data.draw(st.sampled_from(sorted(self.stored)))
        known = [*self.people, *(old for old, now in self.merged.items() if now in self.people)]
        person = data.draw(st.sampled_from(sorted(known)))
        self.store.apply_links([LinkRecord(name, "linked", identity_id=person)])
        self.linked[name] = self.merged.get(person, person)

    @precondition(lambda self: len(self.people) > 1)
    @rule(data=st.data(), label=st.sampled_from([None, "Ann", "Ben"]))
    def merge(self, data: st.DataObject, label: str | None) -> None:
        pair = st.lists(st.sampled_from(sorted(self.people)), min_size=2, max_size=2, unique=True)
        keep, drop = data.draw(pair)
        self.store.set_label(drop, label, "op")
        self.store.merge_identities(keep, drop, "op")
        self.people[keep] = self.people[keep] or label
        del self.people[drop]
        self.merged = {old: keep if now == drop else now for old, now in self.merged.items()}
        self.merged[drop] = keep
        self.linked = {n: keep if who == drop else who for n, who in self.linked.items()}

    @precondition(lambda self: len(self.stored) > 1)
    @rule(data=st.data(), kind=st.sampled_from(["must_link", "cannot_link"]))
    def decide(self, data: st.DataObject, kind: Any) -> None:
        pair = st.lists(st.sampled_from(sorted(self.stored)), min_size=2, max_size=2, unique=True)
        one, other = data.draw(pair)
        self.store.decide(kind, one, other, "op")
        self.said[min(one, other), max(one, other)] = kind

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(sorted(self.people)))
        gone = {name for name, who in self.linked.items() if who == person}
        numbers = {person, *(old for old, now in self.merged.items() if now == person)}
        report = self.store.erase_identity(person, "op")
        assert (set(report.identities), report.tracklets) == (numbers, len(gone))
        assert (report.exemplars, report.crops) == (2 * len(gone), 2 * len(gone))
        assert report.cleared
        self._forget(gone, numbers)
        self.erased |= gone

    @rule(age=st.integers(0, 8))
    def retain(self, age: int) -> None:
        """Tracklet n begins 10 n seconds after T0 and lasts a moment."""
        gone = {name for name in self.stored if int(name[1:]) < age}
        kept = {who for name, who in self.linked.items() if name not in gone}
        emptied = {who for name, who in self.linked.items() if name in gone} - kept
        numbers = emptied | {old for old, now in self.merged.items() if now in emptied}
        report = self.store.apply_retention(50.0, T0 + 10 * age - 5 + 50, "timer")
        assert (report.tracklets, set(report.identities)) == (len(gone), numbers)
        self._forget(gone, numbers)

    def _forget(self, gone: set[str], numbers: set[int]) -> None:
        self.stored -= gone
        self.linked = {name: who for name, who in self.linked.items() if name not in gone}
        self.people = {who: label for who, label in self.people.items() if who not in numbers}
        self.merged = {old: now for old, now in self.merged.items() if old not in numbers}
        self.said = {pair: kind for pair, kind in self.said.items() if not gone & set(pair)}

    @invariant()
    def rows_are_those_of_the_model(self) -> None:
        rows = {row.uuid: row.identity_id for row in self.store.tracklet_rows()}
        assert rows == {name: self.linked.get(name) for name in self.stored}
        listed = {row.id: (row.label, row.tracklet_count) for row in self.store.identities()}
        counts = list(self.linked.values())
        assert listed == {who: (label, counts.count(who)) for who, label in self.people.items()}
        said = {(d.uuid_a, d.uuid_b): d.kind for d in self.store.decisions()}
        assert said == self.said

    @invariant()
    def pictures_are_those_of_the_rows(self) -> None:
        files = {path.rsplit("/", 1)[1] for path in self.store.media.files()}
        assert files == {f"{name}_{rank}.jpg" for name in self.stored for rank in (0, 1)}

    @invariant()
    def only_the_stored_can_be_found(self) -> None:
        query = tracklet(0).exemplars[0].global_feature
        found = self.index.search(query, SearchFilter(), 100).tracklet_uuids[0]
        assert sorted(found) == sorted(2 * list(self.stored))

    @invariant()
    def nothing_else_names_whoever_is_gone(self) -> None:
        gone = set(NAMES) - self.stored
        with sqlite3.connect(f"file:{self.store.database.where}?mode=ro", uri=True) as raw:
            names_of = "SELECT name FROM sqlite_master WHERE type='table'"
            for table in {row[0] for row in raw.execute(names_of)} - REMEMBERED:
                for row in raw.execute(f"SELECT * FROM {table}"):
                    assert not gone & {cell for cell in row if isinstance(cell, str)}, table
        raw.close()

    @precondition(lambda self: self.merged)
    @invariant()
    def a_merged_person_is_erased_with_the_survivor_only(self) -> None:
        old, now = next(iter(self.merged.items()))
        with pytest.raises(StoreError, match=f"merged into {now}"):
            self.store.erase_identity(old, "op")


TestArchive = Archive.TestCase
TestArchive.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
