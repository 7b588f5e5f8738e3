"""What the supervisor decides without real cameras: assignment, options, outcome, clean-up."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.camera_counters import MOST_WARNINGS, CameraCounters
from pipeline.config import RunConfig
from pipeline.endpoints import ipc_endpoint
from pipeline.heartbeat import CameraProgress, Heartbeat
from pipeline.heartbeat_channel import HeartbeatReceiver, HeartbeatSender
from pipeline.journal import Journal
from pipeline.process_files import HubOrders, WorkerOrders
from pipeline.run_folder import RunFolder, create_run
from pipeline.supervisor import RunOptions, Supervisor, run
from storage.store import sqlite_url
from tests.pipeline.made_video import make_config

FAKE = "tests.pipeline.fake_stages:build"


def supervise(tmp_path: Path, config: RunConfig) -> tuple[Supervisor, RunFolder]:
    folder = create_run(tmp_path / "store", config)
    options = RunOptions(stages=FAKE, listener="somewhere:listener")
    lock = folder.lock(0.0)
    made = Supervisor(folder, config, lock, "sqlite://", tmp_path / "media", options, None)
    os.close(lock)
    return made, folder


@pytest.mark.parametrize(
    ("cameras", "workers", "expected"),
    [
        (1, 1, [["cam0"]]),
        (3, 1, [["cam0", "cam1", "cam2"]]),
        (3, 2, [["cam0", "cam2"], ["cam1"]]),
        (2, 5, [["cam0"], ["cam1"]]),
    ],
)
def test_cameras_are_dealt_to_the_workers_in_turn(
    tmp_path: Path, cameras: int, workers: int, expected: list[list[str]]
) -> None:
    config = make_config(tmp_path / "videos", cameras, 2, workers=workers)
    supervisor, folder = supervise(tmp_path, config)
    orders = [WorkerOrders.load(folder.orders(f"worker-{k}")) for k in range(len(expected))]
    supervisor.close()
    assert [order.cameras for order in orders] == expected
    assert not folder.orders(f"worker-{len(expected)}").exists()
    assert {order.stages for order in orders} == {FAKE}
    assert {order.parent_pid for order in orders} == {os.getpid()}
    for order in orders:
        assert RunConfig.model_validate(order.config) == config


def test_the_hub_knows_where_to_store_and_whom_to_tell(tmp_path: Path) -> None:
    config = make_config(tmp_path / "videos", 1, 2)
    supervisor, folder = supervise(tmp_path, config)
    hub = HubOrders.load(folder.orders("hub"))
    worker = WorkerOrders.load(folder.orders("worker-0"))
    supervisor.close()
    assert (hub.store_url, hub.listener) == ("sqlite://", "somewhere:listener")
    assert hub.media_dir == str(tmp_path / "media")
    assert hub.transport.endpoint == worker.transport.endpoint
    assert hub.transport.endpoint.startswith("ipc://")
    assert not supervisor.has_frames()


def test_a_run_that_was_stopped_before_it_began_can_be_resumed(tmp_path: Path) -> None:
    config = make_config(tmp_path / "videos", 1, 10)
    store = tmp_path / "store"
    stop = threading.Event()
    stop.set()
    options = RunOptions(stages=FAKE)
    where = (sqlite_url(store), store / "media", store)
    first = run(config, *where, stop=stop, options=options)
    assert (first.state, first.frames, first.tracklets) == ("stopped", 0, 0)
    second = run(config, *where, resume=True, options=options)
    assert (second.state, second.frames) == ("finished", 10)
    assert second.run_uuid == first.run_uuid


def test_a_kept_journal_can_be_replayed(tmp_path: Path) -> None:
    config = make_config(tmp_path / "videos", 2, 12, workers=2)
    store = tmp_path / "store"
    options = RunOptions(stages=FAKE, keep_journal=True)
    summary = run(config, sqlite_url(store), store / "media", store, options=options)
    assert summary.state == "finished"
    json.dumps(summary.to_dict())
    folder = RunFolder(store / "runs" / summary.run_uuid)
    assert folder.state() == "finished"
    for camera in config.cameras:
        frames = list(Journal.read(folder.journal(camera.id)))
        assert [seen.frame_index for seen in frames] == list(range(12))
        assert any(len(seen.embedded_rows) for seen in frames)


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return ipc_endpoint(tmp_path, f"{uuid4().hex[:6]}.sock")


def test_heartbeats_arrive_in_order(endpoint: str) -> None:
    receiver, sender = HeartbeatReceiver(endpoint), HeartbeatSender(endpoint)
    sent = [Heartbeat(0, 1, (CameraProgress("a", frames=k),), final=k == 4) for k in range(5)]
    for heartbeat in sent:
        sender.send(heartbeat)
    sender.close()
    heard: list[Heartbeat] = []
    deadline = time.monotonic() + 5
    while len(heard) < 5 and time.monotonic() < deadline:
        heard += receiver.receive(0.2)
    receiver.close()
    assert heard == sent


def test_without_a_listener_heartbeats_neither_wait_nor_fail(endpoint: str) -> None:
    sender = HeartbeatSender(endpoint)
    began = time.monotonic()
    for _ in range(1000):
        sender.send(Heartbeat(0, 1, ()))
    assert time.monotonic() - began < 2
    sender._socket.close(0)


def test_noise_among_heartbeats_is_left_out(
    endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, sender = HeartbeatReceiver(endpoint), HeartbeatSender(endpoint)
    sender._socket.send(b"noise")
    sender.send(Heartbeat(3, 1, ()))
    heard: list[Heartbeat] = []
    with caplog.at_level(logging.WARNING):
        while not heard:
            heard = receiver.receive(1.0)
    sender.close()
    receiver.close()
    assert [one.worker for one in heard] == [3]
    assert "not understood" in caplog.text


def test_counters_tell_replayed_frames_from_new_ones() -> None:
    counters = CameraCounters("a", live=False)
    assert counters.report(0).state == "waiting"
    counters.opened(10)
    counters.frame(0, people=1, here=False)
    counters.frame(1, people=2)
    counters.tracklets(3)
    report = counters.report(dropped=4)
    assert (report.frames, report.frames_here, report.position) == (2, 1, 1)
    assert (report.people, report.tracklets, report.dropped) == (2, 3, 4)
    assert (report.frames_total, report.state) == (10, "running")


def test_time_stands_still_once_a_camera_has_ended() -> None:
    counters = CameraCounters("a", live=False)
    counters.frame(0, people=1)
    counters.finish("finished")
    first = counters.report(0)
    time.sleep(0.02)
    assert counters.report(0).wall_s == first.wall_s
    assert (first.state, first.people) == ("finished", 0)


def test_warnings_are_kept_once_and_in_bounds() -> None:
    counters = CameraCounters("a", live=True)
    counters.warn(["same", "same"])
    counters.warn(["same"])
    assert counters.report(0).warnings == ("same",)
    counters.warn([f"line {number}" for number in range(500)])
    kept = counters.report(0).warnings
    assert len(kept) == MOST_WARNINGS
    assert kept[-1] == "line 499"
