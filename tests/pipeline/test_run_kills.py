"""Whole runs with real processes: whatever is killed, every tracklet is stored exactly once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.child_process import RestartPolicy
from pipeline.config import RunConfig
from pipeline.endpoints import make_keys
from pipeline.errors import ConfigError
from pipeline.run_folder import newest_unfinished
from pipeline.summary import RunSummary
from pipeline.supervisor import RunOptions, run
from pipeline.tally import Tally
from storage.store import Store, sqlite_url
from storage.tracklets import Tracklet
from tests.pipeline.made_video import make_config

OPTIONS = RunOptions(
    stages="tests.pipeline.fake_stages:build",
    restart=RestartPolicy(first_wait_s=0.1, longest_wait_s=0.5),
)
FRAMES = 120


def url(store: Path) -> str:
    return sqlite_url(store)


def start(config: RunConfig, store: Path, **settings: object) -> RunSummary:
    return run(config, url(store), store / "media", store, options=OPTIONS, **settings)  # type: ignore[arg-type]


def stored(store: Path) -> list[Tracklet]:
    with Store.open(url(store), store / "media") as opened:
        return opened.tracklets()


def content(store: Path) -> list[list[tuple[str, int, tuple[float, ...]]]]:
    """What is stored, without uuids, which differ from run to run."""
    return sorted(
        [
            (tracklet.camera, int(frame), tuple(box.tolist()))
            for frame, box in zip(tracklet.frame_indices, tracklet.boxes_xyxy, strict=True)
        ]
        for tracklet in stored(store)
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def config(videos: Path) -> RunConfig:
    return make_config(videos, cameras=2, frames=FRAMES)


@pytest.fixture(scope="module")
def undisturbed(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that nothing happened to."""
    store = tmp_path_factory.mktemp("undisturbed")
    summary = start(config, store)
    assert summary.state == "finished"
    return store


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSWALK_TEST_DELAY_S", "0.03")


class Saboteur:
    """A reporter that acts once when a condition holds."""

    def __init__(self, when: Callable[[Tally], bool], act: Callable[[], None]) -> None:
        self.when, self.act = when, act
        self.done = False
        self.closed = False

    def update(self, tally: Tally) -> None:
        if not self.done and self.when(tally):
            self.done = True
            self.act()

    def close(self) -> None:
        self.closed = True


def children_named(module: str) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and module in child.cmdline()
    ]


def kill(module: str) -> Callable[[], None]:
    def act() -> None:
        (child, *_) = children_named(module)
        child.send_signal(signal.SIGKILL)

    return act


def after(frames: int) -> Callable[[Tally], bool]:
    return lambda tally: sum(camera.frames for camera in tally.cameras()) >= frames


def test_a_run_reports_and_leaves_only_what_was_found(config: RunConfig, undisturbed: Path) -> None:
    tracklets = stored(undisturbed)
    assert {tracklet.camera for tracklet in tracklets} == {"cam0", "cam1"}
    assert len({tracklet.track_uuid for tracklet in tracklets}) == 8
    for tracklet in tracklets:
        assert 1 <= len(tracklet.exemplars) <= 4
        assert tracklet.end_s - tracklet.start_s <= 1.05
        assert tracklet.source_offset_s == pytest.approx(tracklet.frame_indices[0] / 10, abs=0.01)
    with Store.open(url(undisturbed), undisturbed / "media") as store:
        (entry,) = store.runs()
    assert entry.state == "finished"
    folder = undisturbed / "runs" / entry.uuid
    assert list((folder / "journal").iterdir()) == []
    assert [path for path in (folder / "spool").rglob("*") if path.is_file()] == []
    assert not list(folder.glob("*.sock"))


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("module", ["pipeline.worker", "pipeline.hub"])
def test_kill_9_during_a_run_loses_nothing_and_doubles_nothing(
    config: RunConfig, undisturbed: Path, tmp_path: Path, module: str
) -> None:
    reporter = Saboteur(after(40), kill(module))
    summary = start(config, tmp_path, reporter=reporter)
    assert reporter.done
    assert reporter.closed
    assert summary.state == "finished"
    assert summary.restarts == 1
    assert "SIGKILL" in summary.warnings[0]
    assert summary.frames == 2 * FRAMES
    assert content(tmp_path) == content(undisturbed)
    assert summary.tracklets == len(stored(tmp_path))


@pytest.mark.usefixtures("slow")
def test_a_stop_closes_tracklets_and_resume_goes_on(config: RunConfig, tmp_path: Path) -> None:
    stop = threading.Event()
    first = start(config, tmp_path, reporter=Saboteur(after(60), stop.set), stop=stop)
    assert first.state == "stopped"
    assert first.pending == 0
    assert 60 <= first.frames < 2 * FRAMES
    before = {tracklet.uuid for tracklet in stored(tmp_path)}
    assert len(before) == first.tracklets
    second = start(config, tmp_path, resume=True)
    assert second.state == "finished"
    assert second.run_uuid == first.run_uuid
    assert second.frames == 2 * FRAMES
    assert second.cameras[0].frames_here < FRAMES
    after_resume = stored(tmp_path)
    assert before <= {tracklet.uuid for tracklet in after_resume}
    seen = [(one.camera, int(frame)) for one in after_resume for frame in one.frame_indices]
    boxes = [(one.camera, *box) for one in after_resume for box in one.boxes_xyxy.tolist()]
    assert len(seen) == len(boxes)
    assert second.tracklets == len(after_resume)


def run_in_a_process(videos: Path, store: Path) -> subprocess.Popen[bytes]:
    """A supervisor of its own, so that it can be killed or interrupted."""
    program = (
        "from pathlib import Path\n"
        "from tests.pipeline.made_video import make_config\n"
        "from tests.pipeline.test_run_kills import start\n"
        f"config = make_config(Path({str(videos)!r}), cameras=2, frames={FRAMES})\n"
        f"summary = start(config, Path({str(store)!r}))\n"
        "raise SystemExit(10 if summary.state == 'stopped' else 0)\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen([sys.executable, "-c", program], cwd=root, env=environment)


def wait_for_tracklets(store: Path, count: int, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (store / "media").exists() and len(list((store / "media").rglob("*.jpg"))) >= count:
            return
        time.sleep(0.05)
    raise AssertionError("no tracklets were stored")


@pytest.fixture
def no_survivors() -> Iterator[list[psutil.Process]]:
    """Processes that must have ended by themselves at the end of the test."""
    processes: list[psutil.Process] = []
    yield processes
    _, alive = psutil.wait_procs(processes, 15)
    for process in alive:
        process.kill()
    assert not alive


@pytest.mark.slow
@pytest.mark.usefixtures("slow")
def test_killing_the_supervisor_ends_its_children_and_resume_loses_nothing(
    config: RunConfig,
    videos: Path,
    undisturbed: Path,
    tmp_path: Path,
    no_survivors: list[psutil.Process],
) -> None:
    process = run_in_a_process(videos, tmp_path)
    wait_for_tracklets(tmp_path, 4)
    no_survivors += psutil.Process(process.pid).children(recursive=True)
    assert len(no_survivors) == 2
    process.kill()
    process.wait()
    folder = newest_unfinished(tmp_path)
    assert folder is not None
    assert folder.state() == "running"
    summary = start(config, tmp_path, resume=True)
    assert summary.state == "finished"
    assert summary.run_uuid == folder.run_uuid
    assert content(tmp_path) == content(undisturbed)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_stops_cleanly(
    videos: Path, tmp_path: Path, no_survivors: list[psutil.Process], number: int
) -> None:
    process = run_in_a_process(videos, tmp_path)
    wait_for_tracklets(tmp_path, 4)
    no_survivors += psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(20) == 10
    folder = newest_unfinished(tmp_path)
    assert folder is not None
    assert folder.state() == "stopped"
    with Store.open(url(tmp_path), tmp_path / "media") as store:
        assert [entry.state for entry in store.runs()] == ["stopped"]
    assert [path for path in (folder.path / "spool").rglob("*") if path.is_file()] == []


def test_a_worker_that_always_crashes_is_given_up(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWALK_TEST_CRASH_AT", "1")
    monkeypatch.setattr(
        "tests.pipeline.test_run_kills.OPTIONS",
        RunOptions(OPTIONS.stages, restart=RestartPolicy(most=1, first_wait_s=0.1)),
    )
    summary = start(config, tmp_path)
    assert summary.state == "failed"
    assert [camera.state for camera in summary.cameras] == ["failed", "failed"]
    assert "given up" in summary.warnings[-1]
    assert "exit code 7" in summary.warnings[-1]


def test_a_broken_camera_does_not_stop_the_others(videos: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.avi"
    broken.write_bytes(b"this is no video")
    good = make_config(videos, cameras=1, frames=FRAMES).cameras[0].model_dump(mode="json")
    cameras = [{"id": "broken", "url": str(broken)}, good]
    config = RunConfig.model_validate({"cameras": cameras, "workers": 2})
    summary = start(config, tmp_path / "store")
    assert summary.state == "finished"
    assert [camera.state for camera in summary.cameras] == ["failed", "finished"]
    assert "broken" in summary.cameras[0].warnings[-1]
    assert summary.cameras[1].frames == FRAMES


def test_a_problem_of_a_stage_is_one_clear_error(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWALK_TEST_NO_WEIGHTS", "1")
    with pytest.raises(ConfigError) as caught:
        start(config, tmp_path)
    assert str(caught.value) == "detector.weights: file not found: made-up.pt"
    assert not children_named("pipeline.hub")
    assert newest_unfinished(tmp_path) is None
    with Store.open(url(tmp_path), tmp_path / "media") as store:
        assert [entry.state for entry in store.runs()] == ["failed"]


def test_a_database_that_cannot_be_used_is_one_clear_error(
    config: RunConfig, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    address = f"sqlite:///{tmp_path}/file/archive.db"
    with pytest.raises(ConfigError, match="file"):
        run(config, address, tmp_path / "m", tmp_path, options=OPTIONS)
    assert newest_unfinished(tmp_path) is None, "a run that never began is not left behind"


def test_a_run_over_tcp_with_keys(videos: Path, tmp_path: Path) -> None:
    public, secret = make_keys(tmp_path / "keys", "hub")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = make_config(
        videos,
        cameras=2,
        frames=FRAMES,
        workers=2,
        transport={
            "endpoint": f"tcp://0.0.0.0:{port}",
            "curve_public_key": str(public),
            "curve_secret_key": str(secret),
        },
    )
    summary = start(config, tmp_path / "store")
    assert summary.state == "finished"
    assert len(stored(tmp_path / "store")) == summary.tracklets > 0


def test_exemplars_are_those_of_the_first_pass(undisturbed: Path) -> None:
    for tracklet in stored(undisturbed):
        for exemplar in tracklet.exemplars:
            assert exemplar.frame_index in tracklet.frame_indices
            row = int(np.flatnonzero(tracklet.frame_indices == exemplar.frame_index)[0])
            np.testing.assert_array_equal(exemplar.box_xyxy, tracklet.boxes_xyxy[row])
