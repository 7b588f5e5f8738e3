"""The hub process: the only writer of the database.

Started by the supervisor as `python -m pipeline.hub ORDERS.json`. It stores what the workers send
and acknowledges it after the commit; a hub that is killed loses nothing, because what it had not
acknowledged is sent again.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, cast

from pipeline.child import EXIT_LISTENER, StopWatch, leave_error, log_to_stderr, ready_file
from pipeline.config import RunConfig
from pipeline.errors import ConfigError
from pipeline.process_files import HubOrders, write_private
from pipeline.run_folder import RunFolder
from pipeline.stage_types import load_attribute
from pipeline.transport import Delivery, HubSocket
from pipeline.wire import WireError, decode_tracklet
from storage.errors import StoreError
from storage.records import CameraInfo
from storage.store import Store
from storage.tracklet_codec import check_tracklet
from storage.tracklets import Tracklet

logger = logging.getLogger(__name__)

_RETRY_S = 1.0


class HubListener(Protocol):
    """Works on stored tracklets in the hub process, such as the associator.

    It must find out for itself what was stored before it was made: a hub that is killed between
    commit and call does not report those tracklets again.
    """

    def stored(self, tracklets: Sequence[Tracklet]) -> None:
        """These are new in the database."""

    def idle(self) -> None:
        """Nothing has arrived for a moment; called at most five times a second."""

    def close(self) -> None:
        """The run ends; everything is stored."""


class MakeListener(Protocol):
    """Makes the listener of a hub: `(store, config, run_uuid)`."""

    def __call__(self, store: Store, config: RunConfig, run_uuid: str) -> HubListener: ...


class Hub:
    """Stores deliveries in batches.

    Args:
        socket: where deliveries come from.
        store: where tracklets go.
        run_uuid: of the run.
        listener: told about what was stored; None for none.
        most: tracklets per transaction; raising it delays acknowledgements.
        wait_s: seconds to wait for a batch to fill.
    """

    def __init__(
        self,
        socket: HubSocket,
        store: Store,
        run_uuid: str,
        listener: HubListener | None = None,
        most: int = 64,
        wait_s: float = 0.2,
    ) -> None:
        self._socket = socket
        self._store = store
        self._run_uuid = run_uuid
        self._listener = listener
        self._most = most
        self._wait_s = wait_s
        self.stored = 0
        self.listener_failed = False

    def step(self) -> int:
        """Receive, store and acknowledge one batch; return how many messages there were."""
        batch = self._socket.receive(self._most, self._wait_s)
        good = [pair for pair in map(self._decoded, batch) if pair is not None]
        if good:
            self._store_batch(good)
        elif self._listener is not None and not batch:
            self._tell(self._listener.idle)
        return len(batch)

    def close(self) -> None:
        """Take what is still on its way, then let the listener finish."""
        deadline = time.monotonic() + 5.0
        while self.step() and time.monotonic() < deadline:
            pass
        if self._listener is not None:
            self._tell(self._listener.close)

    def _tell(self, call: Callable[[], None]) -> None:
        """Call the listener; its failure must not keep tracklets out of the database."""
        try:
            call()
        except Exception:
            self.listener_failed = True
            logger.exception("the listener failed; tracklets are stored all the same")

    def _decoded(self, delivery: Delivery) -> tuple[Delivery, Tracklet] | None:
        try:
            tracklet = decode_tracklet(delivery.payload)
            check_tracklet(tracklet)
            if tracklet.uuid != delivery.uuid:
                raise WireError(f"the message is about {delivery.uuid}, not {tracklet.uuid}")
        except (WireError, StoreError) as error:
            logger.warning("tracklet %s is refused: %s", delivery.uuid, error)
            self._socket.reject(delivery, str(error))
            return None
        return delivery, tracklet

    def _store_batch(self, good: Sequence[tuple[Delivery, Tracklet]]) -> None:
        try:
            fresh = set(
                self._store.add_tracklets([tracklet for _, tracklet in good], self._run_uuid)
            )
        except StoreError as error:
            logger.error("%d tracklets were not stored, they will come again: %s", len(good), error)
            time.sleep(_RETRY_S)
            return
        for delivery, _ in good:
            self._socket.acknowledge(delivery)
        self.stored += len(fresh)
        if fresh and self._listener is not None:
            unique = {tracklet.uuid: tracklet for _, tracklet in good if tracklet.uuid in fresh}
            self._tell(partial(self._listener.stored, list(unique.values())))


def serve(orders: HubOrders, stop: StopWatch) -> int:
    """Be the hub until asked to stop.

    On SIGTERM the run is ended in the database with the state that the run's folder holds. If the
    supervisor is gone the run stays as it is. Returns the exit code.

    Raises:
        ConfigError: address, keys or listener cannot be used.
        StoreError: the database cannot be used.
    """
    config = RunConfig.model_validate(orders.config)
    cameras = [
        CameraInfo(camera.id, camera.name, camera.display_url, camera.timezone)
        for camera in config.cameras
    ]
    with Store.open(orders.store_url, Path(orders.media_dir)) as store:
        store.begin_run(orders.run_uuid, orders.config, cameras)
        listener: HubListener | None = None
        if orders.listener is not None:
            make = cast(MakeListener, load_attribute(orders.listener))
            listener = make(store, config, orders.run_uuid)
        socket = HubSocket(orders.transport)
        try:
            hub = Hub(socket, store, orders.run_uuid, listener)
            write_private(ready_file(RunFolder(Path(orders.run_folder)).orders("hub")), "")
            while not stop:
                hub.step()
            if stop.reason == "asked":
                hub.close()
                state = RunFolder(Path(orders.run_folder)).state()
                if state != "running":
                    store.finish_run(orders.run_uuid, state)
            return EXIT_LISTENER if hub.listener_failed else 0
        finally:
            socket.close()


def main(arguments: Sequence[str]) -> int:
    """Run the hub that the orders file describes; return the exit code."""
    log_to_stderr()
    orders = HubOrders.load(Path(arguments[0]))
    stop = StopWatch(orders.parent_pid)
    stop.start()
    try:
        return serve(orders, stop)
    except (ConfigError, StoreError) as error:
        return leave_error(Path(arguments[0]), error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
