"""At-least-once delivery of closed tracklets from a worker to the hub over ZeroMQ.

A worker sends `(TRACKLET, uuid, payload)` and keeps it spooled until `(ACK, uuid)` comes back,
which the hub sends after the database commit. What is not acknowledged in time is sent again; the
hub's insert is idempotent, so a repeated message changes nothing. `(REJECT, uuid, reason)` means
that the payload can never be stored.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import zmq
from zmq.auth.thread import ThreadAuthenticator

from pipeline.endpoints import (
    TransportSettings,
    check_endpoint,
    secure_hub_socket,
    secure_worker_socket,
)
from pipeline.errors import ConfigError
from pipeline.spool import Spool

logger = logging.getLogger(__name__)

TRACKLET, ACK, REJECT = b"tracklet", b"ack", b"reject"
_POLL_MS = 50


class Sender:
    """Delivers what is in the spools; one thread per worker.

    Args:
        settings: the hub's address and the keys.
        spools: the spools of the worker's cameras.
        window: most messages in flight; raising it costs memory in the hub.
        resend_after_s: seconds without acknowledgement after which a message is sent again;
            lowering it below the hub's commit time sends everything twice.
        context: ZeroMQ context; needed for `inproc://`.

    Raises:
        ConfigError: the address is unusable or unsafe.
    """

    def __init__(
        self,
        settings: TransportSettings,
        spools: Sequence[Spool],
        *,
        window: int = 64,
        resend_after_s: float = 5.0,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        check_endpoint(settings)
        self._settings = settings
        self._spools = list(spools)
        self._window = window
        self._resend_after_s = resend_after_s
        self._context = context or zmq.Context.instance()
        self._in_flight: dict[str, tuple[float, Spool]] = {}
        self._stop = threading.Event()
        self._idle = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._socket = self._open_socket()
        self.delivered = 0

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def pending(self) -> int:
        """How many tracklets the hub has not acknowledged."""
        return sum(len(spool) for spool in self._spools)

    def drain(self, patience_s: float) -> bool:
        """Wait until everything is acknowledged; False after `patience_s` without progress."""
        last, since = self.pending(), time.monotonic()
        while last:
            with self._idle:
                self._idle.wait(0.05)
            now = self.pending()
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > patience_s:
                return False
        return True

    def close(self) -> None:
        """Stop delivering; what was not acknowledged stays spooled."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _open_socket(self) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.DEALER)
        socket.linger = 0
        socket.sndhwm = self._window * 2
        socket.setsockopt(zmq.RECONNECT_IVL, 50)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        try:
            secure_worker_socket(socket, self._settings)
        except ConfigError:
            socket.close()
            raise
        return socket

    def _run(self) -> None:
        """The thread: from here on only it touches the socket."""
        socket = self._socket
        try:
            socket.connect(self._settings.endpoint)
            while not self._stop.is_set():
                self._send_due(socket)
                if socket.poll(_POLL_MS):
                    self._take_answers(socket)
        except Exception:
            logger.exception("delivery to %s ended", self._settings.endpoint)

    def _send_due(self, socket: zmq.Socket[bytes]) -> None:
        now = time.monotonic()
        for spool in self._spools:
            for uuid in spool.pending():
                sent = self._in_flight.get(uuid)
                if sent is not None and now - sent[0] < self._resend_after_s:
                    continue
                if sent is None and len(self._in_flight) >= self._window:
                    return
                payload = spool.get(uuid)
                if payload is None:
                    self._in_flight.pop(uuid, None)
                    continue
                try:
                    socket.send_multipart([TRACKLET, uuid.encode(), payload], zmq.DONTWAIT)
                except zmq.Again:
                    return
                self._in_flight[uuid] = (now, spool)

    def _take_answers(self, socket: zmq.Socket[bytes]) -> None:
        while True:
            try:
                kind, name, *rest = socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            except ValueError:
                logger.warning("an answer of the hub was not understood")
                continue
            uuid = name.decode(errors="replace")
            _, spool = self._in_flight.pop(uuid, (0.0, None))
            if spool is None:
                continue
            if kind == REJECT:
                spool.set_aside(uuid, rest[0].decode(errors="replace") if rest else "rejected")
            else:
                spool.ack(uuid)
                self.delivered += 1
            with self._idle:
                self._idle.notify_all()


@dataclass(frozen=True)
class Delivery:
    """A message as the hub receives it.

    Attributes:
        sender: routing id of the connection, to answer to.
        uuid: of the tracklet.
        payload: the encoded tracklet.
    """

    sender: bytes
    uuid: str
    payload: bytes


class HubSocket:
    """The hub's end: receives batches, acknowledges after the commit.

    Args:
        settings: address to bind and keys.
        context: ZeroMQ context; needed for `inproc://`.

    Raises:
        ConfigError: the address is unusable, unsafe or taken.
    """

    def __init__(
        self,
        settings: TransportSettings,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        check_endpoint(settings)
        self._context = context or zmq.Context.instance()
        self._gatekeeper: ThreadAuthenticator | None = None
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 1000
        try:
            secure_hub_socket(self._socket, settings)
            if settings.secret_key_file is not None:
                self._gatekeeper = ThreadAuthenticator(self._context)
                self._gatekeeper.start()
                keys = settings.worker_keys_folder or ""
                self._gatekeeper.configure_curve(domain="*", location=keys)
            self._socket.bind(settings.endpoint)
        except BaseException as error:
            self.close()
            if isinstance(error, zmq.ZMQError):
                raise ConfigError(f"transport.endpoint: {settings.endpoint}: {error}") from error
            raise

    @property
    def endpoint(self) -> str:
        """The bound address, with the real port if port 0 or `*` was asked for."""
        return str(self._socket.get_string(zmq.LAST_ENDPOINT))

    def receive(self, most: int = 64, wait_s: float = 0.2) -> list[Delivery]:
        """Up to `most` messages; returns when they are there or `wait_s` seconds have passed."""
        batch: list[Delivery] = []
        deadline = time.monotonic() + wait_s
        while len(batch) < most:
            left = deadline - time.monotonic()
            if not self._socket.poll(max(0, int(left * 1000))):
                break
            parts = self._socket.recv_multipart()
            if len(parts) != 4 or parts[1] != TRACKLET:
                logger.warning("a message of %d parts was not understood", len(parts))
                continue
            batch.append(Delivery(parts[0], parts[2].decode(errors="replace"), parts[3]))
        return batch

    def acknowledge(self, delivery: Delivery) -> None:
        """Say that the tracklet is in the database."""
        self._socket.send_multipart([delivery.sender, ACK, delivery.uuid.encode()])

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Say that the payload can never be stored."""
        answer = [delivery.sender, REJECT, delivery.uuid.encode(), reason.encode()]
        self._socket.send_multipart(answer)

    def close(self) -> None:
        """Free the address."""
        self._socket.close()
        if self._gatekeeper is not None:
            self._gatekeeper.stop()
