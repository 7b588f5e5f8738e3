"""Association during a run: when a pass is made, and what it may cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from association_builders import RUN, open_store, tracklet

import pipeline.association.associator as associator
from pipeline.association.live_associator import LiveAssociator
from pipeline.config import AssociationConfig, CameraConfig, RunConfig
from storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path) as opened:
        yield opened


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def live(store: Store, clock: Clock, every_s: float = 60.0) -> LiveAssociator:
    cameras = [CameraConfig(id=name, url="demo:lobby") for name in "ab"]
    settings = AssociationConfig(every_s=every_s)
    return LiveAssociator(store, RunConfig(cameras=cameras, association=settings), RUN, clock)


def add(store: Store, listener: LiveAssociator, *names: str) -> None:
    new = [tracklet(n, 1, camera="ab"[k % 2], start_s=50.0 * k) for k, n in enumerate(names)]
    store.add_tracklets(new, RUN)
    listener.stored(new)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[float]:
    """When passes were made; each takes five seconds."""
    made: list[float] = []
    original = associator.Associator.run

    def run(self: associator.Associator) -> associator.AssociationSummary:
        made.append(clock.now)
        clock.now += 5.0
        return original(self)

    monkeypatch.setattr(associator.Associator, "run", run)
    return made


def test_identities_are_there_before_the_run_ends(store: Store, clock: Clock) -> None:
    listener = live(store, clock)
    add(store, listener, "one", "two")
    assert store.links() == {}
    clock.now += 60
    listener.idle()
    links = store.links()
    assert links["one"].identity_id == links["two"].identity_id is not None


def test_a_pass_is_made_only_if_something_is_new(
    store: Store, clock: Clock, passes: list[float]
) -> None:
    listener = live(store, clock)
    add(store, listener, "one", "two")
    for _ in range(400):
        clock.now += 1
        listener.idle()
    assert passes == [1060.0]
    add(store, listener, "three")
    assert len(passes) == 2


def test_steady_arrivals_do_not_put_a_pass_off(
    store: Store, clock: Clock, passes: list[float]
) -> None:
    listener = live(store, clock)
    for second in range(70):
        clock.now += 1
        add(store, listener, f"t{second}")
    assert passes == [1060.0]


@pytest.mark.slow
@pytest.mark.parametrize(("every_s", "wait"), [(60.0, 60.0), (10.0, 45.0), (1.0, 45.0)])
def test_passes_take_a_tenth_of_the_time_at_most(
    store: Store, clock: Clock, passes: list[float], every_s: float, wait: float
) -> None:
    listener = live(store, clock, every_s)
    for second in range(200):
        clock.now += 1
        add(store, listener, f"t{second}")
    assert passes[0] == 1000.0 + every_s
    assert passes[1] - (passes[0] + 5) == wait


def test_what_a_killed_hub_left_is_associated(
    store: Store, clock: Clock, passes: list[float]
) -> None:
    store.add_tracklets([tracklet("old", 1)], RUN)
    listener = live(store, clock)
    clock.now += 61
    listener.idle()
    assert len(passes) == 1


def test_zero_leaves_it_to_the_end(store: Store, clock: Clock, passes: list[float]) -> None:
    listener = live(store, clock, 0.0)
    add(store, listener, "one", "two")
    clock.now += 1e6
    listener.idle()
    listener.close()
    assert passes == []


def test_a_failed_pass_is_not_repeated_at_once(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[float] = []

    def run(self: associator.Associator) -> None:
        calls.append(clock.now)
        raise RuntimeError("no identities today")

    monkeypatch.setattr(associator.Associator, "run", run)
    listener = live(store, clock)
    act: Callable[[], None] = listener.idle
    clock.now += 60
    with pytest.raises(RuntimeError, match="no identities"):
        act()
    for _ in range(30):
        clock.now += 1
        act()
    assert calls == [1060.0]
