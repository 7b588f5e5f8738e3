"""The main job from the command line, with stages that need no model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from pipeline import supervisor
from pipeline.cli_run import exit_code
from pipeline.summary import RunSummary
from pipeline.supervisor import RunOptions
from pipeline.tally import CameraTotals
from storage.records import LinkRecord
from storage.store import Store, sqlite_url
from tests.conftest import PROJECT
from tests.pipeline.made_video import write_video
from tests.test_main import call

OPTIONS = RunOptions(stages="tests.pipeline.fake_stages:build")
FRAMES = 40


class TrackIsPerson:
    """An associator for which every track is a person of its own."""

    def __init__(self, store: Store, config: Any) -> None:
        self.store = store

    def run(self) -> TrackIsPerson:
        rows = self.store.tracklet_rows()
        known = self.store.links()
        self.store.apply_links(
            [
                LinkRecord(row.uuid, "new", identity_key=row.track_uuid)
                for row in rows
                if row.uuid not in known
            ]
        )
        self.tracklets = len(rows)
        return self

    def as_dict(self) -> dict[str, int]:
        return {"tracklets": self.tracklets, "abstained": 0}


def install(patch: pytest.MonkeyPatch) -> None:
    """Make the main job use the stages and the associator of the tests."""
    real = supervisor.run

    def run(*arguments: Any, **settings: Any) -> RunSummary:
        return real(*arguments, **{**settings, "options": OPTIONS})

    patch.setattr(supervisor, "run", run)
    associator = import_module("pipeline.association.associator")
    patch.setattr(associator, "Associator", TrackIsPerson)


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """No models."""
    install(monkeypatch)


def cameras(folder: Path, count: int = 2, frames: int = FRAMES, more: str = "") -> Path:
    """A configuration of made videos."""
    lines = ["cameras:"]
    for number in range(count):
        video = write_video(folder / f"cam{number}.avi", frames, number)
        time_ = "2026-01-05T09:00:00Z"
        lines.append(f"  - {{id: cam{number}, url: {video.name}, start_time: {time_}}}")
    path = folder / "cams.yaml"
    path.write_text("\n".join([*lines, more]), encoding="utf-8")
    return path


def test_a_run_as_json_is_one_object(tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = call("--sources", cameras(tmp_path), "--store", store, "--json")
    assert done.exit_code == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["run"]["state"] == "finished"
    assert data["run"]["frames"] == 2 * FRAMES
    assert [camera["frames"] for camera in data["run"]["cameras"]] == [FRAMES, FRAMES]
    assert data["run"]["tracklets"] == data["association"]["tracklets"] > 0
    assert data["identities"] > 0
    assert data["evaluation"] is None
    assert data["database"] == str(store / "crosswalk.db")
    assert {"detect", "associate"} <= data["run"]["stage_s"].keys()
    assert data["next"][0] == f"python main.py ui --store {store}"
    assert Path(data["log"]).read_text()


@pytest.mark.slow
def test_a_run_as_tables_says_what_to_type_next(tmp_path: Path) -> None:
    done = call("run", "--sources", cameras(tmp_path), "--store", tmp_path / "s", "--quiet")
    assert done.exit_code == 0, done.stderr
    for text in (
        "Cameras",
        "cam0",
        "finished",
        "Where the time went",
        "detect",
        "(0 tracklets without)",
        "Next:",
    ):
        assert text in done.stdout
    image = done.stdout.split("--image ")[1].split()[0]
    assert Path(image).is_file()


@pytest.mark.slow
def test_workers_of_the_command_line_win(tmp_path: Path) -> None:
    store = tmp_path / "s"
    call("--sources", cameras(tmp_path), "--store", store, "--workers", 2)
    [run] = (store / "runs").iterdir()
    assert {file.stem for file in (run / "logs").iterdir()} == {"hub", "worker-0", "worker-1"}


@pytest.mark.slow
def test_media_and_database_may_be_elsewhere(tmp_path: Path) -> None:
    store, media = tmp_path / "s", tmp_path / "pictures"
    url = f"sqlite:///{tmp_path / 'other.db'}"
    place = ["--store", store, "--db", url, "--media", media]
    done = call("--sources", cameras(tmp_path), *place, "--json")
    data = json.loads(done.stdout)
    assert data["database"] == str(tmp_path / "other.db")
    assert not (store / "crosswalk.db").exists()
    assert list(media.rglob("*.jpg"))
    listed = json.loads(call("identities", *place, "--json").stdout)["identities"]
    assert len(listed) == data["identities"]


@pytest.mark.slow
def test_one_unreadable_camera_does_not_stop_the_other(tmp_path: Path) -> None:
    path = cameras(tmp_path)
    (tmp_path / "cam1.avi").write_bytes(b"this is no recording")
    done = call("--sources", path, "--store", tmp_path / "s", "--json")
    assert done.exit_code == 0
    states = {c["camera"]: c["state"] for c in json.loads(done.stdout)["run"]["cameras"]}
    assert states == {"cam0": "finished", "cam1": "failed"}
    assert "camera cam1" in done.stderr


def test_no_readable_camera_is_bad_input(tmp_path: Path) -> None:
    path = cameras(tmp_path, count=1)
    (tmp_path / "cam0.avi").write_bytes(b"this is no recording")
    done = call("--sources", path, "--store", tmp_path / "s", "--json")
    assert done.exit_code == 2
    assert "camera cam0" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["run"]["state"] == "failed"


@pytest.mark.slow
def test_weights_that_are_missing_leave_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWALK_TEST_NO_WEIGHTS", "1")
    done = call("--sources", cameras(tmp_path), "--store", tmp_path / "s", "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "detector.weights: file not found: made-up.pt"
    assert not list((tmp_path / "s" / "runs").iterdir())


@pytest.mark.slow
def test_retention_of_the_configuration_forgets_the_old(tmp_path: Path) -> None:
    place = ["--store", tmp_path / "s"]
    call("--sources", cameras(tmp_path), *place)
    with Store.open(sqlite_url(tmp_path / "s"), tmp_path / "s/media") as store:
        before = {row.uuid for row in store.tracklet_rows()}
    done = call("--sources", cameras(tmp_path, more="retention_days: 1"), *place)
    assert done.exit_code == 0
    assert f"retention_days: {len(before)} tracklets removed" in done.stderr
    with Store.open(sqlite_url(tmp_path / "s"), tmp_path / "s/media") as store:
        assert not before & {row.uuid for row in store.tracklet_rows()}


@pytest.mark.slow
def test_a_demo_run_is_scored_against_its_ground_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "10,1,5,5,40,120,1,1,1\n"

    def write(folder: Path, views: dict[str, str]) -> None:
        assert views == {"door": "lobby"}
        (folder / "door.txt").write_text(line)

    monkeypatch.setattr("pipeline.demo.write_ground_truth", write, raising=False)
    path = tmp_path / "demo.yaml"
    path.write_text("cameras: [{id: door, url: demo:lobby, fps_cap: 1}]")
    data = json.loads(call("--sources", path, "--store", tmp_path / "s", "--json").stdout)
    assert data["evaluation"]["cameras"]["door"]["gt_ids"] == 1
    assert 0 <= data["evaluation"]["cross_camera"]["idf1"] <= 1
    table = call("--sources", path, "--store", tmp_path / "t").stdout
    assert "Identities against the demo's exact ground truth" in table
    assert "across cameras" in table


SLOW_PROGRAM = """
import os, sys
os.environ["CROSSWALK_TEST_DELAY_S"] = "0.1"
import pytest, main
from tests.test_main_run import install
install(pytest.MonkeyPatch())
sys.argv = ["main.py", *sys.argv[1:]]
main.run()
"""


@pytest.mark.slow
def test_ctrl_c_closes_cleanly_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    path, store = cameras(tmp_path, count=1, frames=120), tmp_path / "s"
    arguments = ["--sources", str(path), "--store", str(store), "--json"]
    program = subprocess.Popen(
        [sys.executable, "-c", SLOW_PROGRAM, *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(store.glob("runs/*/journal/*.xwj")):
        time.sleep(0.1)
    time.sleep(1.5)
    os.kill(program.pid, signal.SIGINT)
    stdout, stderr = program.communicate(timeout=60)
    assert program.returncode == 130, stderr
    stopped = json.loads(stdout)
    assert stopped["run"]["state"] == "stopped"
    assert 0 < stopped["run"]["frames"] < 120
    assert stopped["next"] == [f"python main.py --sources {path} --resume --store {store}"]
    assert "Traceback" not in stderr
    resumed = call(*arguments, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    data = json.loads(resumed.stdout)
    assert data["run"]["run_uuid"] == stopped["run"]["run_uuid"]
    assert data["run"]["frames"] == 120


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ({"state": "finished"}, 0),
        ({"state": "stopped"}, 130),
        ({"state": "failed", "cameras": [{"camera": "a", "state": "failed"}]}, 2),
        ({"state": "failed", "cameras": [{"camera": "a", "state": "failed", "frames": 3}]}, 1),
        (
            {"state": "failed", "restarts": 5, "cameras": [{"camera": "a", "state": "failed"}]},
            1,
        ),
    ],
)
def test_exit_codes(summary: dict[str, Any], expected: int) -> None:
    made = TypeAdapter(tuple[CameraTotals, ...]).validate_python(summary.pop("cameras", ()))
    assert exit_code(RunSummary("run", cameras=made, wall_s=1.0, **summary)) == expected


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_built_in_demo_with_the_real_models(tmp_path: Path) -> None:
    arguments = ["--sources", "configs/demo.yaml", "--store", tmp_path / "s", "--json"]
    done = subprocess.run(
        [sys.executable, "main.py", *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["run"]["state"] == "finished"
    assert data["evaluation"]["cross_camera"]["gt_ids"] >= 8
    assert data["evaluation"]["cross_camera"]["idf1"] > 0.5
    command = [*data["next"][1].split()[1:], "--json"]
    found = subprocess.run(
        [sys.executable, *command], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout)["groups"]
    command = ["main.py", "reid", "evaluate", "--data", f"tracklets={tmp_path / 's'}", "--json"]
    scored = subprocess.run(
        [sys.executable, *command], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    scores = json.loads(scored.stdout)
    assert scores["queries"] >= 4
    assert scores["mAP"] > 50
    assert "no operator confirmed the identity of" in scored.stderr
