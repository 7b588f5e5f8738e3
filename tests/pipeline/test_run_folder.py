from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.config import RunConfig
from pipeline.endpoints import TransportSettings
from pipeline.errors import ConfigError
from pipeline.process_files import WorkerOrders, write_private
from pipeline.run_folder import (
    RunFolder,
    check_same_sources,
    create_run,
    newest_unfinished,
)
from pipeline.run_start import claim_run, effective_config, hub_transport, worker_transport
from tests.pipeline.made_video import make_config


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return make_config(tmp_path / "videos", cameras=2, frames=5)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_a_new_run_remembers_its_configuration_privately(config: RunConfig, store: Path) -> None:
    folder = create_run(store, config)
    assert folder.state() == "running"
    assert RunConfig.model_validate(folder.config()) == config
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder.path / "run.json").stat().st_mode) == 0o600
    assert folder.path.parent == store / "runs"


def test_the_newest_unfinished_run_is_found(config: RunConfig, store: Path) -> None:
    assert newest_unfinished(store) is None
    folders = []
    for state in ("stopped", "failed", "running", "finished"):
        folder = create_run(store, config)
        folder.set_state(state)  # type: ignore[arg-type]
        folders.append(folder)
        time.sleep(0.01)
    assert newest_unfinished(store) == folders[2]
    folders[2].set_state("finished")
    assert newest_unfinished(store) == folders[1]


def test_a_damaged_run_is_left_out(
    config: RunConfig, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = create_run(store, config)
    (folder.path / "run.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert newest_unfinished(store) is None
    assert "left out" in caplog.text


def test_a_run_can_be_claimed_once_until_the_last_holder_ends(
    config: RunConfig, store: Path
) -> None:
    folder = create_run(store, config)
    lock = folder.lock(0.0)
    assert folder.is_locked()
    with pytest.raises(ConfigError, match="still running"):
        folder.lock(0.15)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, pass_fds=(lock,))
    os.close(lock)
    assert folder.is_locked(), "the child still works on it"
    child.communicate(b"\n")
    os.close(folder.lock(2.0))


def changed(config: RunConfig, **camera: object) -> RunConfig:
    data = config.model_dump(mode="json")
    data["cameras"][1].update(camera)
    return RunConfig.model_validate(data)


def test_the_same_sources_may_be_resumed(config: RunConfig, store: Path) -> None:
    folder = create_run(store, config)
    check_same_sources(folder, config)
    check_same_sources(folder, changed(config, name="Back door", timezone="Europe/Berlin"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": "other"}, "'cam1' is missing"),
        ({"id": "other"}, "'other' is new"),
        ({"start_time": "2026-01-06T00:00:00+00:00"}, "cameras.cam1.start_time"),
        ({"fps_cap": 5}, "cameras.cam1.fps_cap"),
        ({"ignore_zones": [[(0, 0), (1, 0), (1, 1)]]}, "cameras.cam1.ignore_zones"),
    ],
)
def test_other_sources_are_refused_with_the_reason(
    config: RunConfig, store: Path, change: dict[str, object], expected: str
) -> None:
    folder = create_run(store, config)
    with pytest.raises(ConfigError) as caught:
        check_same_sources(folder, changed(config, **change))
    assert expected in str(caught.value)
    assert "without --resume" in str(caught.value).splitlines()[-1]


def test_resuming_nothing_is_an_error(config: RunConfig, store: Path) -> None:
    with pytest.raises(ConfigError, match="no unfinished run"):
        claim_run(config, store, resume=True, wait_s=0)
    assert not store.exists()


def test_a_new_run_beside_an_unfinished_one_gives_a_hint(
    config: RunConfig, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = create_run(store, config)
    with caplog.at_level(logging.WARNING):
        folder, _, lock = claim_run(config, store, resume=False, wait_s=0)
    assert folder != first
    assert "--resume" in caplog.text
    assert first.run_uuid in caplog.text
    os.close(lock)


def test_a_resumed_run_keeps_its_settings_but_not_workers_and_transport(
    config: RunConfig, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = create_run(store, config)
    data = config.model_dump(mode="json")
    data |= {"workers": 2, "transport": {"endpoint": "tcp://127.0.0.1:5999"}}
    data["tracklets"] = {"max_piece_s": 9}
    with caplog.at_level(logging.WARNING):
        effective = effective_config(folder, RunConfig.model_validate(data))
    assert effective.workers == 2
    assert effective.transport.endpoint == "tcp://127.0.0.1:5999"
    assert effective.tracklets == config.tracklets
    assert "tracklets has changed" in caplog.text
    found, _, lock = claim_run(config, store, resume=True, wait_s=0)
    assert found == folder
    os.close(lock)


def test_journals_are_removed_on_request(config: RunConfig, store: Path) -> None:
    folder = create_run(store, config)
    folder.journal("cam0").write_bytes(b"x")
    folder.remove_journals()
    assert not folder.journal("cam0").exists()


def transport(**settings: object) -> RunConfig:
    return RunConfig.model_validate({"cameras": [{"id": "a", "url": "0"}], "transport": settings})


def test_without_an_endpoint_the_socket_is_in_the_run_folder() -> None:
    config = transport()
    assert hub_transport(config.transport) is None
    assert worker_transport(config.transport) is None


def test_inproc_cannot_reach_worker_processes(store: Path) -> None:
    config = transport(endpoint="inproc://x")
    with pytest.raises(ConfigError, match="inproc"):
        claim_run(config, store, resume=False, wait_s=0)
    assert not store.exists()


def test_keys_of_the_configuration_reach_both_sides(tmp_path: Path) -> None:
    for name in ("hub.key", "hub.key_secret"):
        (tmp_path / name).write_text("")
    settings = transport(
        endpoint="tcp://0.0.0.0:5999",
        curve_public_key=str(tmp_path / "hub.key"),
        curve_secret_key=str(tmp_path / "hub.key_secret"),
    ).transport
    hub, worker = hub_transport(settings), worker_transport(settings)
    assert hub is not None
    assert worker is not None
    assert (hub.endpoint, worker.endpoint) == ("tcp://0.0.0.0:5999", "tcp://127.0.0.1:5999")
    assert hub.worker_keys_folder == str(tmp_path)
    assert worker.hub_key_file == str(tmp_path / "hub.key")
    assert hub.secret_key_file == worker.secret_key_file == str(tmp_path / "hub.key_secret")


def test_orders_survive_the_file_and_are_private(tmp_path: Path) -> None:
    orders = WorkerOrders(
        1,
        "run",
        "/folder",
        {"cameras": []},
        ["a"],
        "m:f",
        TransportSettings("ipc:///x"),
        "ipc:///y",
        7,
    )
    orders.save(tmp_path / "w.json")
    assert WorkerOrders.load(tmp_path / "w.json") == orders
    assert stat.S_IMODE((tmp_path / "w.json").stat().st_mode) == 0o600


def test_a_private_file_is_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_private(path, "1")
    write_private(path, json.dumps({"b": 2}))
    assert json.loads(path.read_text()) == {"b": 2}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
    assert RunFolder(tmp_path).run_uuid == tmp_path.name
