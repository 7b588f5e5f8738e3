"""Starts hub and workers, keeps them alive, stops them, and says what was achieved."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.child_process import ChildProcess, RestartPolicy
from pipeline.config import RunConfig
from pipeline.endpoints import TransportSettings, ipc_endpoint
from pipeline.errors import ConfigError
from pipeline.heartbeat_channel import HeartbeatReceiver
from pipeline.process_files import HubOrders, WorkerOrders
from pipeline.progress import Reporter
from pipeline.run_folder import RunFolder, RunState
from pipeline.run_start import claim_run, hub_transport, worker_transport
from pipeline.stop_signals import stop_signals
from pipeline.summary import RunSummary
from pipeline.tally import CameraTotals, Tally

logger = logging.getLogger(__name__)

DEFAULT_STAGES = "pipeline.stages:build_stages"
DEFAULT_LISTENER = "pipeline.association.live_associator:LiveAssociator"
_LOOK_S = 0.2


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out, besides its configuration.

    Attributes:
        stages: import string of the `StageFactory`.
        listener: import string of a function that makes the hub's listener, such as the
            associator; None for none.
        keep_journal: keep the journals of a finished run, from which trackers can be tuned.
        restart: how often crashed processes are started again.
        stop_patience_s: seconds that workers and hub get to close down before they are killed.
        claim_wait_s: seconds to wait for the processes of a killed supervisor to end.
    """

    stages: str = DEFAULT_STAGES
    listener: str | None = DEFAULT_LISTENER
    keep_journal: bool = False
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    stop_patience_s: float = 60.0
    claim_wait_s: float = 20.0


def run(
    config: RunConfig,
    store_url: str,
    media_dir: Path,
    store_dir: Path,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
    stop: threading.Event | None = None,
    options: RunOptions | None = None,
) -> RunSummary:
    """Process all cameras to their end, or until SIGINT, SIGTERM or `stop`.

    Signals are handled only in the main thread; a second SIGINT ends everything at once, which
    loses nothing that `--resume` cannot bring back.

    Args:
        config: the configuration; a resumed run keeps the one that it began with, except for
            `workers` and `transport`.
        store_url: SQLAlchemy URL of the database.
        media_dir: folder of the crops.
        store_dir: folder of the archive; runs are kept in its `runs/`.
        resume: take up the newest unfinished run of the store.
        reporter: shows the progress; closed at the end.
        stop: set it to stop the run.
        options: everything else.

    Raises:
        ConfigError: nothing to resume, other sources than before, or a stage, address or database
            that cannot be used.
    """
    options = options or RunOptions()
    folder, effective, lock = claim_run(config, store_dir, resume, options.claim_wait_s)
    supervisor: Supervisor | None = None
    unusable: Path | None = None
    try:
        supervisor = Supervisor(folder, effective, lock, store_url, media_dir, options, reporter)
        with stop_signals(stop or threading.Event(), supervisor.hurry) as event:
            return supervisor.run(event)
    except ConfigError:
        if not resume and (supervisor is None or not supervisor.has_frames()):
            unusable = folder.path
        raise
    finally:
        if supervisor is not None:
            supervisor.close()
        if reporter is not None:
            reporter.close()
        os.close(lock)
        if unusable is not None:
            shutil.rmtree(unusable, ignore_errors=True)


class Supervisor:
    """One run from start to end; use `run`."""

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        lock: int,
        store_url: str,
        media_dir: Path,
        options: RunOptions,
        reporter: Reporter | None,
    ) -> None:
        self.hurry = threading.Event()
        self._folder = folder
        self._config = config
        self._options = options
        self._reporter = reporter
        self._began = time.monotonic()
        self._tally = Tally([camera.id for camera in config.cameras])
        self._progress_endpoint = ipc_endpoint(folder.path, "beat.sock")
        self._beats = HeartbeatReceiver(self._progress_endpoint)
        self._hub = ChildProcess("hub", "pipeline.hub", folder, lock, options.restart)
        self._workers: list[ChildProcess] = []
        self._cameras_of: dict[str, list[str]] = {}
        self._write_orders(store_url, media_dir, lock)

    def run(self, stop: threading.Event) -> RunSummary:
        """Work until every worker has ended or `stop` is set."""
        self._folder.set_state("running")
        self._start(stop)
        hub_lost = False
        while not stop.is_set():
            self._look(_LOOK_S)
            hub_lost = self._hub.check() in ("failed", "done")
            if hub_lost or all(worker.check() in ("done", "failed") for worker in self._workers):
                break
        if stop.is_set():
            logger.warning("stopping: tracks are closed and stored; Ctrl-C again to end at once")
        self._stop_workers()
        self._raise_config_error()
        cameras = self._camera_totals()
        state = self._outcome(cameras, hub_lost)
        self._folder.set_state(state)
        self._stop_hub()
        self._raise_config_error()
        if state == "finished" and not self._options.keep_journal:
            self._folder.remove_journals()
        return self._summary(state, cameras)

    def has_frames(self) -> bool:
        """Whether any frame was processed."""
        return any(camera.frames for camera in self._tally.cameras())

    def close(self) -> None:
        """End whatever still runs; used on the way out of an error too."""
        for child in [*self._workers, self._hub]:
            child.kill()
        self._beats.close()
        for name in ("beat.sock", "hub.sock"):
            path = Path(ipc_endpoint(self._folder.path, name).removeprefix("ipc://"))
            path.unlink(missing_ok=True)
            if path.parent != self._folder.path.resolve() and not any(path.parent.iterdir()):
                path.parent.rmdir()

    def _write_orders(self, store_url: str, media_dir: Path, lock: int) -> None:
        settings, folder = self._config.transport, self._folder
        local = TransportSettings(ipc_endpoint(folder.path, "hub.sock"))
        config = self._config.model_dump(mode="json")
        HubOrders(
            run_uuid=folder.run_uuid,
            run_folder=str(folder.path),
            config=config,
            store_url=store_url,
            media_dir=str(media_dir),
            listener=self._options.listener,
            transport=hub_transport(settings) or local,
            parent_pid=os.getpid(),
        ).save(folder.orders("hub"))
        names = [camera.id for camera in self._config.cameras]
        count = min(self._config.workers, len(names))
        for number in range(count):
            worker = f"worker-{number}"
            self._cameras_of[worker] = names[number::count]
            WorkerOrders(
                number=number,
                run_uuid=folder.run_uuid,
                run_folder=str(folder.path),
                config=config,
                cameras=names[number::count],
                stages=self._options.stages,
                transport=worker_transport(settings) or local,
                progress_endpoint=self._progress_endpoint,
                parent_pid=os.getpid(),
            ).save(folder.orders(worker))
            self._workers.append(
                ChildProcess(worker, "pipeline.worker", folder, lock, self._options.restart)
            )

    def _start(self, stop: threading.Event) -> None:
        """Start the hub and, once it can store, the workers."""
        self._hub.start()
        while not self._hub.is_ready() and self._hub.check() in ("running", "waiting"):
            if stop.wait(0.02):
                return
        if self._hub.is_ready():
            for worker in self._workers:
                worker.start()

    def _look(self, wait_s: float) -> None:
        """Take heartbeats and show them."""
        for heartbeat in self._beats.receive(wait_s):
            self._tally.update(heartbeat)
        if self._reporter is not None:
            self._reporter.update(self._tally)

    def _stop_workers(self) -> None:
        """Ask the workers to close down, keep the hub alive for them, collect the last words."""
        for worker in self._workers:
            worker.ask_to_stop()
        deadline = time.monotonic() + self._options.stop_patience_s
        while any(worker.check() == "running" for worker in self._workers):
            self._look(_LOOK_S)
            self._hub.check()
            if self.hurry.is_set() or time.monotonic() > deadline:
                break
        for worker in self._workers:
            worker.wait(0.0)
        goodbye = time.monotonic() + 2.0
        while time.monotonic() < goodbye and not self._all_said_goodbye():
            self._look(0.05)

    def _all_said_goodbye(self) -> bool:
        ended = [worker for worker in self._workers if worker.check() == "done" and worker.pid]
        return all(self._tally.is_final(worker.pid) for worker in ended)

    def _stop_hub(self) -> None:
        self._hub.ask_to_stop()
        self._hub.wait(0.0 if self.hurry.is_set() else self._options.stop_patience_s)

    def _raise_config_error(self) -> None:
        """Raise what a child found unusable, after the database knows that the run failed."""
        errors = [child.config_error for child in [self._hub, *self._workers] if child.config_error]
        if errors:
            self._folder.set_state("failed")
            self._stop_hub()
            raise ConfigError("\n".join(dict.fromkeys(errors)))

    def _camera_totals(self) -> list[CameraTotals]:
        """The cameras; those of workers that were given up are marked."""
        totals = {camera.camera: camera for camera in self._tally.cameras()}
        for worker in self._workers:
            if worker.check() != "failed":
                continue
            for name in self._cameras_of[worker.name]:
                if totals[name].state in ("waiting", "running"):
                    lines = (*totals[name].warnings, f"camera {name}: {worker.name} failed")
                    totals[name] = replace(totals[name], state="failed", warnings=lines)
        return [totals[camera.id] for camera in self._config.cameras]

    def _outcome(self, cameras: list[CameraTotals], hub_lost: bool) -> RunState:
        states = {camera.state for camera in cameras}
        if hub_lost or any(worker.check() == "failed" for worker in self._workers):
            return "failed"
        if states <= {"finished", "failed"} and not self._tally.pending():
            return "finished" if "finished" in states else "failed"
        return "stopped"

    def _summary(self, state: RunState, cameras: list[CameraTotals]) -> RunSummary:
        children = [self._hub, *self._workers]
        return RunSummary(
            run_uuid=self._folder.run_uuid,
            state=state,
            cameras=tuple(cameras),
            wall_s=time.monotonic() - self._began,
            restarts=sum(child.restarts for child in children),
            pending=self._tally.pending(),
            warnings=tuple(line for child in children for line in child.warnings),
        )
