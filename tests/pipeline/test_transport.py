from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
import zmq

from pipeline.endpoints import TransportSettings, ipc_endpoint, make_keys
from pipeline.errors import ConfigError
from pipeline.spool import Spool
from pipeline.transport import Delivery, HubSocket, Sender
from pipeline.wire import encode_tracklet
from tests.pipeline import fabricate


def fill(spool: Spool, count: int) -> list[str]:
    names = [str(uuid4()) for _ in range(count)]
    for name in names:
        spool.put(name, encode_tracklet(fabricate.tracklet(name, exemplars=0)))
    return names


class FakeHub:
    """A hub in a thread that keeps uuids; `answer` decides what is said to each delivery."""

    def __init__(
        self,
        settings: TransportSettings,
        stored: Counter[str],
        answer: Callable[[HubSocket, Delivery], None] = HubSocket.acknowledge,
    ) -> None:
        self.socket = HubSocket(settings)
        self.stored = stored
        self.answer = answer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            for delivery in self.socket.receive(8, 0.02):
                self.stored[delivery.uuid] += 1
                self.answer(self.socket, delivery)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.socket.close()


@pytest.fixture
def settings(tmp_path: Path) -> TransportSettings:
    return TransportSettings(ipc_endpoint(tmp_path, "hub.sock"))


def test_everything_arrives_once_and_leaves_the_spool(
    tmp_path: Path, settings: TransportSettings
) -> None:
    spools = [Spool(tmp_path / "a"), Spool(tmp_path / "b")]
    names = fill(spools[0], 100) + fill(spools[1], 5)
    stored: Counter[str] = Counter()
    sender = Sender(settings, spools, window=8)
    sender.start()
    hub = FakeHub(settings, stored)
    assert sender.drain(5)
    sender.close()
    hub.close()
    assert stored == Counter(names)
    assert sender.pending() == 0
    assert sender.delivered == 105


def test_a_lost_acknowledgement_leads_to_a_second_delivery(
    tmp_path: Path, settings: TransportSettings
) -> None:
    spool = Spool(tmp_path / "a")
    names = fill(spool, 3)
    stored: Counter[str] = Counter()

    def forget_first(socket: HubSocket, delivery: Delivery) -> None:
        if stored[delivery.uuid] > 1:
            socket.acknowledge(delivery)

    sender = Sender(settings, [spool], resend_after_s=0.2)
    sender.start()
    hub = FakeHub(settings, stored, forget_first)
    assert sender.drain(5)
    sender.close()
    hub.close()
    assert set(stored) == set(names)
    assert min(stored.values()) >= 2


def test_a_repeated_acknowledgement_is_harmless(
    tmp_path: Path, settings: TransportSettings
) -> None:
    spool = Spool(tmp_path / "a")
    fill(spool, 3)

    def thrice(socket: HubSocket, delivery: Delivery) -> None:
        for _ in range(3):
            socket.acknowledge(delivery)

    sender = Sender(settings, [spool])
    sender.start()
    hub = FakeHub(settings, Counter(), thrice)
    assert sender.drain(5)
    sender.close()
    hub.close()
    assert sender.delivered == 3


def test_a_hub_that_restarts_in_the_middle_gets_every_tracklet(
    tmp_path: Path, settings: TransportSettings
) -> None:
    spool = Spool(tmp_path / "a")
    names = fill(spool, 60)
    stored: Counter[str] = Counter()
    died = threading.Event()

    def dies_before_answering(socket: HubSocket, delivery: Delivery) -> None:
        if sum(stored.values()) > 20:
            died.set()
        else:
            socket.acknowledge(delivery)

    sender = Sender(settings, [spool], window=16, resend_after_s=0.3)
    sender.start()
    first = FakeHub(settings, stored, dies_before_answering)
    assert died.wait(5)
    first.close()
    assert sender.pending() >= 39
    second = FakeHub(settings, stored)
    assert sender.drain(5)
    sender.close()
    second.close()
    assert set(stored) == set(names)


def test_without_a_hub_everything_stays_spooled(
    tmp_path: Path, settings: TransportSettings
) -> None:
    spool = Spool(tmp_path / "a")
    names = fill(spool, 3)
    sender = Sender(settings, [spool])
    sender.start()
    assert not sender.drain(0.3)
    sender.close()
    assert Spool(tmp_path / "a").pending() == names


def test_a_rejected_tracklet_is_set_aside(tmp_path: Path, settings: TransportSettings) -> None:
    spool = Spool(tmp_path / "a")
    (name,) = fill(spool, 1)
    sender = Sender(settings, [spool])
    sender.start()
    hub = FakeHub(settings, Counter(), lambda socket, given: socket.reject(given, "no such run"))
    assert sender.drain(5)
    sender.close()
    hub.close()
    assert (tmp_path / "a" / "bad" / f"{name}.xw").exists()
    assert sender.delivered == 0


def test_messages_of_strangers_do_not_stop_the_hub(settings: TransportSettings) -> None:
    hub = HubSocket(settings)
    stranger = zmq.Context.instance().socket(zmq.DEALER)
    stranger.connect(settings.endpoint)
    stranger.send_multipart([b"hello"])
    stranger.send_multipart([b"tracklet", b"\xff", b"payload"])
    (delivery,) = hub.receive(5, 0.5)
    assert delivery.payload == b"payload"
    stranger.close(0)
    hub.close()


def test_inproc_works_inside_one_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a")
    fill(spool, 5)
    settings = TransportSettings("inproc://test-transport")
    hub = FakeHub(settings, Counter())
    sender = Sender(settings, [spool])
    sender.start()
    assert sender.drain(5)
    sender.close()
    hub.close()


def test_an_address_in_use_is_one_clear_error() -> None:
    first = HubSocket(TransportSettings("tcp://127.0.0.1:*"))
    with pytest.raises(ConfigError, match="in use"):
        HubSocket(TransportSettings(first.endpoint))
    first.close()


class Keys:
    """Key files of a hub, an admitted worker and a stranger."""

    def __init__(self, folder: Path) -> None:
        self.hub_public, self.hub_secret = make_keys(folder / "hub", "hub")
        worker_public, self.worker_secret = make_keys(folder / "worker", "worker")
        _, self.stranger_secret = make_keys(folder / "stranger", "stranger")
        self.admitted = folder / "admitted"
        self.admitted.mkdir()
        (self.admitted / worker_public.name).write_bytes(worker_public.read_bytes())

    def hub(self) -> TransportSettings:
        return TransportSettings(
            "tcp://127.0.0.1:*",
            secret_key_file=str(self.hub_secret),
            worker_keys_folder=str(self.admitted),
        )

    def sender(self, endpoint: str, secret: Path | None, hub: Path) -> TransportSettings:
        return TransportSettings(endpoint, str(secret) if secret else None, hub_key_file=str(hub))


@pytest.mark.parametrize(
    ("secret", "hub_key", "arrives"),
    [
        ("worker", "hub", True),
        ("stranger", "hub", False),
        ("worker", "stranger", False),
        (None, "hub", False),
    ],
)
def test_only_an_admitted_key_can_deliver_over_tcp(
    tmp_path: Path, secret: str | None, hub_key: str, arrives: bool
) -> None:
    keys = Keys(tmp_path / "keys")
    spool = Spool(tmp_path / "spool")
    fill(spool, 2)
    hub = FakeHub(keys.hub(), Counter())
    own = {"worker": keys.worker_secret, "stranger": keys.stranger_secret, None: None}[secret]
    expected = tmp_path / "keys" / hub_key / f"{hub_key}.key"
    sender = Sender(keys.sender(hub.socket.endpoint, own, expected), [spool])
    sender.start()
    assert sender.drain(5 if arrives else 0.5) is arrives
    sender.close()
    hub.close()
    assert len(spool) == (0 if arrives else 2)


def test_missing_or_public_key_files_are_named(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    with pytest.raises(ConfigError, match="no secret key"):
        HubSocket(
            TransportSettings("tcp://127.0.0.1:*", str(keys.hub_public), None, str(keys.admitted))
        )
    with pytest.raises(ConfigError, match="nowhere"):
        HubSocket(TransportSettings("tcp://127.0.0.1:*", "/nowhere", None, str(keys.admitted)))
    with pytest.raises(ConfigError, match="hub_key_file"):
        Sender(TransportSettings("tcp://127.0.0.1:1", str(keys.worker_secret)), [])
    with pytest.raises(ConfigError, match="worker_keys_folder"):
        HubSocket(TransportSettings("tcp://127.0.0.1:*", str(keys.hub_secret)))
