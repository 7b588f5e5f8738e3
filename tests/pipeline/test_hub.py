from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from pipeline.endpoints import TransportSettings, ipc_endpoint
from pipeline.hub import Hub
from pipeline.spool import Spool
from pipeline.transport import HubSocket, Sender
from pipeline.wire import encode_tracklet, frame_message
from storage.errors import StoreError
from storage.records import CameraInfo
from storage.store import Store, sqlite_url
from storage.tracklets import Tracklet
from tests.pipeline import fabricate

RUN = str(uuid4())


@dataclass
class Listener:
    """Remembers what it was told."""

    heard: list[str] = field(default_factory=list)
    idle_calls: int = 0
    closed: bool = False
    fail: bool = False

    def stored(self, tracklets: Sequence[Tracklet]) -> None:
        if self.fail:
            raise RuntimeError("cannot associate")
        self.heard += [tracklet.uuid for tracklet in tracklets]

    def idle(self) -> None:
        self.idle_calls += 1

    def close(self) -> None:
        self.closed = True


class Bench:
    """A hub over a real store, and a worker's sender."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(sqlite_url(folder), folder / "media")
        self.store.begin_run(RUN, {}, [CameraInfo("a")])
        settings = TransportSettings(ipc_endpoint(folder, "hub.sock"))
        self.spool = Spool(folder / "spool")
        self.socket = HubSocket(settings)
        self.listener = Listener()
        self.hub = Hub(self.socket, self.store, RUN, self.listener, most=16, wait_s=0.05)
        self.sender = Sender(settings, [self.spool], resend_after_s=0.3)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self.sender.start()
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.hub.step()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.sender.close()
        self.socket.close()
        self.store.close()

    def put(self, count: int) -> list[str]:
        names = [str(uuid4()) for _ in range(count)]
        for name in names:
            self.spool.put(name, encode_tracklet(fabricate.tracklet(name)))
        return names


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_tracklets_are_stored_acknowledged_and_told_once(bench: Bench) -> None:
    names = bench.put(40)
    bench.start()
    assert bench.sender.drain(10)
    assert {one.uuid for one in bench.store.tracklets()} == set(names)
    assert sorted(bench.listener.heard) == sorted(names)
    assert bench.hub.stored == 40
    for name in names[:5]:
        bench.spool.put(name, encode_tracklet(fabricate.tracklet(name)))
    assert bench.sender.drain(10)
    assert bench.hub.stored == len(bench.listener.heard) == 40


def test_a_bad_tracklet_does_not_stop_the_good_ones(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    empty, foreign, noise = (str(uuid4()) for _ in range(3))
    bench.spool.put(empty, encode_tracklet(fabricate.tracklet(empty, boxes=0)))
    bench.spool.put(foreign, encode_tracklet(fabricate.tracklet()))
    bench.spool.put(noise, frame_message(1, {"uuid": noise}))
    good = bench.put(2)
    bench.start()
    with caplog.at_level(logging.WARNING):
        assert bench.sender.drain(10)
    assert {one.uuid for one in bench.store.tracklets()} == set(good)
    bad = {path.stem for path in (bench.spool.folder / "bad").iterdir()}
    assert bad == {empty, foreign, noise}
    assert "no boxes" in caplog.text


def test_nothing_is_acknowledged_before_it_is_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.hub._RETRY_S", 0.05)
    healthy = bench.store.add_tracklets
    failures = iter([True, True])

    def sick(tracklets: Sequence[Tracklet], run_uuid: str) -> list[str]:
        if next(failures, False):
            raise StoreError("the disk is full")
        return healthy(tracklets, run_uuid)

    monkeypatch.setattr(bench.store, "add_tracklets", sick)
    names = bench.put(3)
    bench.start()
    assert bench.sender.drain(10)
    assert {one.uuid for one in bench.store.tracklets()} == set(names)


def test_a_listener_that_fails_does_not_keep_tracklets_out(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.listener.fail = True
    bench.put(3)
    bench.start()
    assert bench.sender.drain(10)
    assert len(bench.store.tracklets()) == 3
    assert "cannot associate" in caplog.text
    assert bench.hub.listener_failed


def test_the_listener_may_work_while_nothing_arrives_and_is_closed(bench: Bench) -> None:
    bench.hub.step()
    assert bench.listener.idle_calls == 1
    bench.hub.close()
    assert bench.listener.closed


def test_closing_takes_what_is_still_on_its_way(bench: Bench) -> None:
    names = bench.put(3)
    bench.sender.start()
    bench.hub.step()
    bench.hub.close()
    assert bench.sender.drain(5)
    assert {one.uuid for one in bench.store.tracklets()} == set(names)


def test_vectors_arrive_as_they_were_sent(bench: Bench) -> None:
    (name,) = bench.put(1)
    bench.start()
    assert bench.sender.drain(10)
    (found,) = bench.store.tracklets(with_crops=True)
    sent = fabricate.tracklet(name)
    np.testing.assert_array_equal(found.boxes_xyxy, sent.boxes_xyxy)
    for one, other in zip(found.exemplars, sent.exemplars, strict=True):
        np.testing.assert_allclose(one.global_feature, other.global_feature, atol=1e-3)
        assert one.crop_jpeg == other.crop_jpeg
