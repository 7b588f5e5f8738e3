"""A spool through crashes, torn files and repeated answers: nothing that was put is ever lost."""

from __future__ import annotations

import tempfile
from pathlib import Path
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.spool import Spool
from pipeline.wire import frame_message

NAMES = [str(UUID(int=number)) for number in range(1, 6)]
names = st.sampled_from(NAMES)


def payload(name: str, version: int) -> bytes:
    """An intact message."""
    return frame_message(1, [name, version])


class Crashes(RuleBasedStateMachine):
    """The spool beside a dictionary of what waits, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name) / "spool"
        self.spool = Spool(self.folder)
        self.waiting: dict[str, bytes] = {}
        self.torn: set[str] = set()
        self.versions = 0

    def teardown(self) -> None:
        self.temporary.cleanup()

    @rule(name=names)
    def put(self, name: str) -> None:
        self.versions += 1
        self.waiting[name] = payload(name, self.versions)
        self.torn.discard(name)
        self.spool.put(name, self.waiting[name])

    @rule(name=names)
    def acknowledge(self, name: str) -> None:
        self.spool.ack(name)
        self.waiting.pop(name, None)
        self.torn.discard(name)

    @rule(name=names)
    def refuse(self, name: str) -> None:
        """The hub says that it can never be stored: it is kept aside, not deleted."""
        known = self.waiting.get(name)
        aside = self.spool.set_aside(name, "refused")
        if known is not None and name not in self.torn:
            assert aside.read_bytes() == known
        self.waiting.pop(name, None)
        self.torn.discard(name)

    @rule()
    def die_and_come_back(self) -> None:
        before = set(self.spool.pending())
        self.spool = Spool(self.folder)
        assert set(self.spool.pending()) == before
        order = {name: (self.folder / f"{name}.xw").stat().st_mtime_ns for name in before}
        assert self.spool.pending() == sorted(order, key=lambda name: (order[name], name))

    @rule(name=names, share=st.floats(0, 1))
    def die_while_writing(self, name: str, share: float) -> None:
        """A file under another name is left; it must not be taken for a tracklet."""
        whole = payload(name, -1)
        (self.folder / f"{name}.tmp").write_bytes(whole[: int(share * len(whole))])
        self.die_and_come_back()
        assert not list(self.folder.glob("*.tmp"))

    @precondition(lambda self: self.waiting.keys() - self.torn)
    @rule(data=st.data(), cut=st.integers(1, 12))
    def tear(self, data: st.DataObject, cut: int) -> None:
        """A power cut: the disk never got the end of a file."""
        name = data.draw(st.sampled_from(sorted(self.waiting.keys() - self.torn)))
        (self.folder / f"{name}.xw").write_bytes(self.waiting[name][:-cut])
        self.torn.add(name)

    @rule(name=names)
    def send(self, name: str) -> None:
        """What is read is what was put, or nothing if that was torn."""
        found = self.spool.get(name)
        if name in self.torn:
            assert found is None
            assert (self.folder / "bad" / f"{name}.xw").exists()
            self.torn.discard(name)
            del self.waiting[name]
        else:
            assert found == self.waiting.get(name)

    @invariant()
    def everything_waits_that_was_not_answered(self) -> None:
        assert set(self.spool.pending()) == set(self.waiting)
        assert len(self.spool) == len(self.waiting)


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
