"""The worker process: several cameras through one detector and one embedder.

Started by the supervisor as `python -m pipeline.worker ORDERS.json`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.camera_reader import CameraReader, OpenSource
from pipeline.camera_session import CameraSession, SessionFiles, is_recording
from pipeline.camera_stage import Prepared
from pipeline.child import StopWatch, leave_error, log_to_stderr
from pipeline.config import CameraConfig, RunConfig
from pipeline.errors import ConfigError
from pipeline.frames import Frame
from pipeline.heartbeat import Heartbeat
from pipeline.heartbeat_channel import HeartbeatSender
from pipeline.process_files import WorkerOrders
from pipeline.run_folder import RunFolder
from pipeline.sources import open_source
from pipeline.spool import Spool
from pipeline.stage_types import Stages, load_stage_factory
from pipeline.transport import Sender
from reid.embeddings import Embeddings

logger = logging.getLogger(__name__)

_IDLE_S = 0.05
_HEARTBEAT_S = 1.0
_Pair = tuple[CameraReader, CameraSession]


class Worker:
    """Runs the cameras of one process.

    Args:
        orders: what to do.
        config: the run's configuration.
        stages: loaded stages.
        stop: when to end, and why.
        opener: opens a camera's source.
        patience_s: seconds without progress after which undelivered tracklets are left in the
            spool when the worker is asked to stop.
    """

    def __init__(
        self,
        orders: WorkerOrders,
        config: RunConfig,
        stages: Stages,
        stop: StopWatch,
        opener: OpenSource = open_source,
        patience_s: float = 15.0,
    ) -> None:
        self._orders = orders
        self._batch_size = config.detector.batch_size
        self._stages = stages
        self._stop = stop
        self._patience_s = patience_s
        self._arrival = threading.Event()
        self._beats = HeartbeatSender(orders.progress_endpoint)
        self._last_beat = 0.0
        self._turn = 0
        folder = RunFolder(Path(orders.run_folder))
        cameras = [config.camera(name) for name in orders.cameras]
        spools = [Spool(folder.spool(camera.id)) for camera in cameras]
        self._sender = Sender(orders.transport, spools)
        self._pairs = [
            self._pair(camera, folder, spool, opener)
            for camera, spool in zip(cameras, spools, strict=True)
        ]
        self._open = list(self._pairs)

    def run(self) -> None:
        """Work until every camera has ended or the process is asked to stop."""
        self._sender.start()
        self._beat(force=True)
        for reader, _ in self._pairs:
            reader.start()
        while self._open and not self._stop:
            batch, taken = self._gather()
            if batch:
                self._round(batch)
            elif not taken:
                self._arrival.wait(_IDLE_S)
                self._arrival.clear()
            self._close_ended()
            self._beat()
        self._wind_up()

    def _pair(
        self, camera: CameraConfig, folder: RunFolder, spool: Spool, opener: OpenSource
    ) -> _Pair:
        journal = folder.journal(camera.id) if is_recording(camera) else None
        files = SessionFiles(spool, journal)
        session = CameraSession(camera, self._orders.run_uuid, self._stages, files)
        reader = CameraReader(camera, opener, session.start_frame, self._arrival, session.clock)
        return reader, session

    def _gather(self) -> tuple[list[tuple[CameraSession, Frame]], int]:
        """One frame of each camera that has one, in turn if there are more than fit.

        Returns the frames for the detector and how many were taken, skipped ones included.
        """
        batch: list[tuple[CameraSession, Frame]] = []
        count, taken = len(self._open), 0
        for step in range(count):
            reader, session = self._open[(self._turn + step) % count]
            frame = reader.take()
            if frame is None:
                continue
            taken += 1
            info = reader.info
            assert info is not None
            session.begin(frame, info.fps, info.frame_count, info.url)
            if session.wants(frame):
                batch.append((session, frame))
            else:
                session.skip(frame)
            if len(batch) >= self._batch_size:
                self._turn = (self._turn + step + 1) % count
                break
        return batch, taken

    def _round(self, batch: Sequence[tuple[CameraSession, Frame]]) -> None:
        began = time.perf_counter()
        found = self._stages.detector.detect([frame.image_bgr for _, frame in batch])
        share = (time.perf_counter() - began) / len(batch)
        prepared: list[tuple[CameraSession, Prepared]] = []
        for (session, frame), detections in zip(batch, found, strict=True):
            session.clock.add("detect", share)
            prepared.append((session, session.prepare(frame, detections)))
        self._embed([(session, step) for session, step in prepared])

    def _embed(self, prepared: Sequence[tuple[CameraSession, Prepared]]) -> None:
        crops = [np.ascontiguousarray(crop) for _, step in prepared for crop in step.crops_bgr]
        embeddings: Embeddings | None = None
        seconds_per_crop = 0.0
        if crops:
            began = time.perf_counter()
            embeddings = self._stages.embedder.embed(crops)
            seconds_per_crop = (time.perf_counter() - began) / len(crops)
        first = 0
        for session, step in prepared:
            count = len(step.rows)
            own = embeddings[slice(first, first + count)] if embeddings and count else None
            first += count
            session.clock.add("embed", seconds_per_crop * count)
            session.complete(step, own)

    def _close_ended(self) -> None:
        for pair in [pair for pair in self._open if pair[0].done()]:
            reader, session = pair
            self._open.remove(pair)
            if reader.error is not None:
                logger.warning("%s", reader.error)
                session.counters.warn([*reader.warnings, reader.error])
                session.stop("failed")
            elif session.counters.progress.state != "finished":
                session.end()
            self._beat(force=True)

    def _wind_up(self) -> None:
        """Close what is open, deliver what is closed, say goodbye."""
        for reader, _ in self._open:
            reader.stop()
        for reader, session in self._open:
            reader.join(10.0)
            if self._stop.reason == "orphaned":
                session.abandon()
            else:
                session.stop()
        if self._stop.reason != "orphaned":
            self._drain()
        self._sender.close()
        self._beat(force=True, final=True)
        self._beats.close()

    def _drain(self) -> None:
        """Wait for the hub: as long as it takes, or with limited patience once asked to stop."""
        while not self._sender.drain(1.0):
            self._beat()
            if self._stop and not self._sender.drain(self._patience_s):
                logger.warning("%d tracklets stay spooled", self._sender.pending())
                return

    def _beat(self, *, force: bool = False, final: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._last_beat < _HEARTBEAT_S:
            return
        self._last_beat = now
        reports = []
        for reader, session in self._pairs:
            session.counters.warn(reader.warnings)
            reports.append(session.counters.report(reader.dropped))
        pending = self._sender.pending()
        self._beats.send(
            Heartbeat(self._orders.number, os.getpid(), tuple(reports), pending, final)
        )


def main(arguments: Sequence[str]) -> int:
    """Run the worker that the orders file describes; return the exit code."""
    log_to_stderr()
    orders = WorkerOrders.load(Path(arguments[0]))
    stop = StopWatch(orders.parent_pid)
    stop.start()
    try:
        config = RunConfig.model_validate(orders.config)
        stages = load_stage_factory(orders.stages)(config)
        stages.detector.load()
        worker = Worker(orders, config, stages, stop)
    except ConfigError as error:
        return leave_error(Path(arguments[0]), error)
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
