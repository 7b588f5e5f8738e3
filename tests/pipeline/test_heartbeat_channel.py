"""Heartbeats arrive in order, and neither noise nor a missing listener stops anybody."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from pipeline.endpoints import ipc_endpoint
from pipeline.heartbeat import CameraProgress, Heartbeat
from pipeline.heartbeat_channel import HeartbeatReceiver, HeartbeatSender


@pytest.fixture
def address(tmp_path: Path) -> str:
    return ipc_endpoint(tmp_path, "beat.sock")


@pytest.fixture
def receiver(address: str) -> Iterator[HeartbeatReceiver]:
    made = HeartbeatReceiver(address)
    yield made
    made.close()


def beat(worker: int, frames: int = 0) -> Heartbeat:
    return Heartbeat(worker, 100 + worker, (CameraProgress("a", frames=frames),))


def receive(receiver: HeartbeatReceiver, many: int) -> list[Heartbeat]:
    """Wait until so many have come, or nothing comes any more."""
    found: list[Heartbeat] = []
    while len(found) < many:
        new = receiver.receive(5.0)
        if not new:
            break
        found += new
    return found


def test_heartbeats_of_one_worker_arrive_in_order(
    receiver: HeartbeatReceiver, address: str
) -> None:
    sender = HeartbeatSender(address)
    sent = [beat(0, frames) for frames in range(20)]
    for heartbeat in sent:
        sender.send(heartbeat)
    assert receive(receiver, 20) == sent
    sender.close()


def test_several_workers_share_one_receiver(receiver: HeartbeatReceiver, address: str) -> None:
    senders = [HeartbeatSender(address) for _ in range(3)]
    for worker, sender in enumerate(senders):
        sender.send(beat(worker))
        sender.close()
    assert sorted(one.worker for one in receive(receiver, 3)) == [0, 1, 2]


def test_nothing_sent_is_nothing_received(receiver: HeartbeatReceiver) -> None:
    assert receiver.receive(0.0) == []


def test_noise_is_left_out(
    receiver: HeartbeatReceiver, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = zmq.Context.instance().socket(zmq.PUSH)
    stranger.connect(address)
    stranger.send(b"hello?")
    sender = HeartbeatSender(address)
    sender.send(beat(1))
    with caplog.at_level(logging.WARNING):
        found = receive(receiver, 1)
        while "not understood" not in caplog.text:
            found += receiver.receive(5.0)
    assert found == [beat(1)]
    stranger.close(0)
    sender.close()


def test_a_worker_never_waits_for_a_supervisor_that_is_gone(address: str) -> None:
    sender = HeartbeatSender(address)
    for frames in range(500):
        sender.send(beat(0, frames))
    sender._socket.close(0)


def test_an_address_is_free_again_after_closing(address: str) -> None:
    HeartbeatReceiver(address).close()
    HeartbeatReceiver(address).close()
