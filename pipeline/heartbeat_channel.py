"""Heartbeats from the workers to the supervisor: may be lost, never wait."""

from __future__ import annotations

import logging

import zmq

from pipeline.heartbeat import Heartbeat
from pipeline.wire import WireError, decode_heartbeat, encode_heartbeat

logger = logging.getLogger(__name__)


class HeartbeatSender:
    """The worker's end. If nobody listens, heartbeats are dropped."""

    def __init__(self, endpoint: str) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUSH)
        self._socket.setsockopt(zmq.LINGER, 2000)
        self._socket.setsockopt(zmq.SNDHWM, 100)
        self._socket.connect(endpoint)

    def send(self, heartbeat: Heartbeat) -> None:
        """Send without waiting."""
        try:
            self._socket.send(encode_heartbeat(heartbeat), zmq.DONTWAIT)
        except zmq.Again:
            logger.debug("nobody takes the heartbeats")

    def close(self) -> None:
        """Close; what was sent is still delivered within two seconds."""
        self._socket.close()


class HeartbeatReceiver:
    """The supervisor's end."""

    def __init__(self, endpoint: str) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
        self._socket.bind(endpoint)

    def receive(self, wait_s: float) -> list[Heartbeat]:
        """What has come; waits up to `wait_s` seconds for the first one."""
        found: list[Heartbeat] = []
        wait_ms = int(wait_s * 1000)
        while self._socket.poll(wait_ms):
            wait_ms = 0
            try:
                found.append(decode_heartbeat(self._socket.recv()))
            except WireError as error:
                logger.warning("a heartbeat was not understood: %s", error)
        return found

    def close(self) -> None:
        """Free the address."""
        self._socket.close(0)
