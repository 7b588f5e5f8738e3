"""The worker's round: batching over cameras, splitting of results and time, fairness."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.child import StopWatch
from pipeline.config import CameraConfig, RunConfig
from pipeline.endpoints import TransportSettings, ipc_endpoint
from pipeline.errors import ConfigError, SourceError
from pipeline.frames import Frame
from pipeline.heartbeat import CameraProgress
from pipeline.heartbeat_channel import HeartbeatReceiver
from pipeline.process_files import WorkerOrders
from pipeline.run_folder import RunFolder, create_run
from pipeline.sources import SourceInfo
from pipeline.spool import Spool
from pipeline.stage_types import Stages, load_attribute, load_stage_factory
from pipeline.transport import HubSocket
from pipeline.wire import decode_tracklet
from pipeline.worker import Worker
from tests.pipeline.fake_stages import ColourEmbedder, ColourTracker, RectangleDetector, build
from tests.pipeline.made_video import HEIGHT, WIDTH, make_config, picture
from trackers.detections import Detections

START = datetime(2026, 1, 5, tzinfo=UTC)


class MadeSource:
    """Pictures computed on the fly; camera `camN` shows them shifted by N."""

    def __init__(self, camera: CameraConfig, frames: int) -> None:
        self.camera = camera.id
        self.warnings: list[str] = []
        self.info = SourceInfo(WIDTH, HEIGHT, 10.0, frames, False, START, "demo", camera.url)
        self._frames, self._next, self._closed = frames, 0, False

    def __iter__(self) -> Iterator[Frame]:
        while self._next < self._frames and not self._closed:
            index, self._next = self._next, self._next + 1
            image = picture(index, self._frames, int(self.camera[3:]))
            yield Frame(
                self.camera, index, START + timedelta(seconds=index / 10), image, index / 10
            )

    def seek(self, frame_index: int) -> None:
        self._next = frame_index

    def close(self) -> None:
        self._closed = True


class CountingDetector(RectangleDetector):
    """Remembers the size of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def detect(self, images: list[np.ndarray]) -> list[Detections]:
        self.batches.append(len(images))
        return super().detect(images)


class Bench:
    """A worker in this process, with a hub that only acknowledges."""

    def __init__(self, folder: Path, cameras: int, frames: int, **settings: object) -> None:
        self.config = make_config(folder / "videos", cameras, 2, **settings)
        self.folder: RunFolder = create_run(folder / "store", self.config)
        self.transport = TransportSettings(ipc_endpoint(folder, "h.sock"))
        self.progress = ipc_endpoint(folder, "b.sock")
        self.frames = frames
        self.detector = CountingDetector()
        self.stop = StopWatch(os.getppid())
        self.failing: set[str] = set()
        self.piece_s = 1.0

    def worker(self) -> Worker:
        orders = WorkerOrders(
            number=0,
            run_uuid=self.folder.run_uuid,
            run_folder=str(self.folder.path),
            config={},
            cameras=[camera.id for camera in self.config.cameras],
            stages="",
            transport=self.transport,
            progress_endpoint=self.progress,
            parent_pid=0,
        )
        stages = Stages(
            self.detector, ColourEmbedder(), lambda camera, fps, size: ColourTracker(self.piece_s)
        )
        return Worker(orders, self.config, stages, self.stop, self.open, patience_s=0.3)

    def open(self, camera: CameraConfig) -> MadeSource:
        if camera.id in self.failing:
            raise SourceError(camera.id, camera.url, "the cable is cut")
        return MadeSource(camera, self.frames)

    def run(self) -> dict[str, CameraProgress]:
        """Run the worker to its end; return the last heartbeat's cameras."""
        beats = HeartbeatReceiver(self.progress)
        hub = HubSocket(self.transport)
        done = threading.Event()
        self.payloads: dict[str, bytes] = {}

        def serve() -> None:
            while not done.is_set():
                for delivery in hub.receive(64, 0.02):
                    self.payloads[delivery.uuid] = delivery.payload
                    hub.acknowledge(delivery)

        thread = threading.Thread(target=serve)
        thread.start()
        self.worker().run()
        done.set()
        thread.join()
        hub.close()
        heard = beats.receive(1.0)
        beats.close()
        assert heard[-1].final
        assert heard[-1].pending == 0
        return {camera.camera: camera for camera in heard[-1].cameras}


def test_frames_of_several_cameras_are_detected_together(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cameras=3, frames=20)
    cameras = bench.run()
    assert sum(bench.detector.batches) == 60
    assert max(bench.detector.batches) == 3
    assert {camera.frames for camera in cameras.values()} == {20}
    assert {camera.state for camera in cameras.values()} == {"finished"}


def test_batches_are_limited_and_every_camera_gets_its_turn(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cameras=3, frames=20, detector={"batch_size": 2})
    cameras = bench.run()
    assert max(bench.detector.batches) == 2
    assert {camera.frames for camera in cameras.values()} == {20}


def test_each_camera_gets_its_own_embeddings(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cameras=3, frames=20)
    bench.run()
    tracklets = [decode_tracklet(payload) for payload in bench.payloads.values()]
    for tracklet in tracklets:
        for exemplar in tracklet.exemplars:
            left, top, right, bottom = exemplar.box_xyxy.astype(int)
            image = picture(exemplar.frame_index, 20, int(tracklet.camera[3:]))
            own = ColourEmbedder().embed([image[top:bottom, left:right]]).global_features[0]
            assert own @ exemplar.global_feature > 0.999
    assert {tracklet.camera for tracklet in tracklets} == {"cam0", "cam1", "cam2"}


def test_time_is_accounted_per_stage_and_camera(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cameras=2, frames=10)
    bench.detector.delay_s = 0.01
    cameras = bench.run()
    for camera in cameras.values():
        assert {"decode", "detect", "embed", "track", "store"} <= camera.stage_s.keys()
    batches = len(bench.detector.batches)
    assert sum(camera.stage_s["detect"] for camera in cameras.values()) >= 0.01 * batches


def test_a_camera_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cameras=2, frames=10)
    bench.failing = {"cam0"}
    cameras = bench.run()
    assert cameras["cam0"].state == "failed"
    assert "the cable is cut" in cameras["cam0"].warnings[-1]
    assert (cameras["cam1"].state, cameras["cam1"].frames) == ("finished", 10)


@pytest.mark.parametrize(("reason", "spooled"), [("asked", True), ("orphaned", False)])
def test_on_a_stop_tracks_are_closed_unless_the_supervisor_is_gone(
    tmp_path: Path, reason: str, spooled: bool
) -> None:
    bench = Bench(tmp_path, cameras=1, frames=10_000)
    bench.detector.delay_s, bench.piece_s = 0.01, 1000.0
    timer = threading.Timer(0.3, bench.stop.stop, [reason])
    timer.start()
    bench.worker().run()
    timer.join()
    assert (len(Spool(bench.folder.spool("cam0"))) > 0) is spooled
    assert bench.folder.journal("cam0").stat().st_size > 1000


def test_stages_are_found_by_name() -> None:
    factory = load_stage_factory("tests.pipeline.fake_stages:build")
    assert factory is build
    config = RunConfig.model_validate({"cameras": [{"id": "a", "url": "0"}]})
    stages = factory(config)
    assert stages.make_gate(config.cameras[0]) is None
    tracker = stages.make_tracker(config.cameras[0], 10.0, (WIDTH, HEIGHT))
    assert tracker is not stages.make_tracker(config.cameras[0], 10.0, (WIDTH, HEIGHT))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no-colon", "module:attribute"),
        ("no.such.module:build", "No module named"),
        ("tests.pipeline.fake_stages:nothing", "no attribute"),
    ],
)
def test_a_wrong_name_is_a_clear_error(name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_attribute(name)
