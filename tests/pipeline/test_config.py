"""What `cams.yaml` may say and how mistakes are reported."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.config import CameraConfig, ConfigError, RunConfig, load_config
from pipeline.config.run import camera_problems

CAMERA = {"id": "a", "url": "demo:lobby"}


def write(folder: Path, data: Any) -> Path:
    path = folder / "cams.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return path


def problems(folder: Path, data: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, data))
    return str(caught.value).splitlines()


def with_camera(**changes: Any) -> dict[str, Any]:
    return {"cameras": [{**CAMERA, **changes}]}


def with_neighbour(**settings: Any) -> dict[str, Any]:
    first = {**CAMERA, "neighbours": [{"camera": "b", **settings}]}
    return {"cameras": [first, {"id": "b", "url": "demo:yard"}]}


def test_minimal_file_has_the_documented_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, {"cameras": [CAMERA]}))
    camera = config.camera("a")
    assert (camera.name, camera.timezone, camera.fps_cap) == ("a", "UTC", None)
    assert config.workers == 1
    assert config.association.link_probability == 0.5
    assert config.association.window_s == 86400
    assert config.tracklets.max_piece_s == 30
    assert config.embedder.mode == "adaptive"
    assert config.tracker.preset == "crosswalk"
    assert config.tracker.camera_motion == "auto"
    assert (config.ui.host, config.ui.port) == ("127.0.0.1", 7860)
    assert config.detector.weights is None
    with pytest.raises(KeyError):
        config.camera("b")


@pytest.mark.parametrize(
    ("written", "setting"), [("auto", "auto"), ("off", "off"), ('"off"', "off"), ("false", "off")]
)
def test_an_unquoted_off_switches_the_camera_motion_off(
    tmp_path: Path, written: str, setting: str
) -> None:
    path = tmp_path / "cams.yaml"
    path.write_text(
        f"cameras:\n  - {{id: a, url: 'demo:lobby'}}\ntracker:\n  camera_motion: {written}\n"
    )
    assert load_config(path).tracker.camera_motion == setting


def test_settings_cannot_be_changed_after_loading(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, {"cameras": [CAMERA]}))
    with pytest.raises(ValidationError):
        config.workers = 2  # type: ignore[misc]


def test_missing_recording_is_named_exactly(tmp_path: Path) -> None:
    data = {"cameras": [CAMERA, {"id": "b", "url": "/x/y.mp4"}]}
    assert problems(tmp_path, data) == ["cams.yaml: cameras[1].url: file not found: /x/y.mp4"]


def test_relative_paths_start_at_the_yaml_file(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"")
    monkeypatch.chdir("/")
    config = load_config(write(tmp_path, with_camera(url="clips/a.mp4")))
    assert config.cameras[0].url == str((tmp_path / "clips" / "a.mp4").resolve())
    [line] = problems(tmp_path, with_camera(url="clips/b.mp4"))
    assert str(tmp_path / "clips" / "b.mp4") in line
    assert "relative paths start at" in line


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (with_camera(fps_cp=3), "cameras[0].fps_cp: unknown key; did you mean 'fps_cap'?"),
        (
            {"cameras": [CAMERA], "trackr": {}},
            "trackr: unknown key; did you mean 'tracker'?",
        ),
        (
            {"cameras": [CAMERA], "ui": {"prt": 1}},
            "ui.prt: unknown key; did you mean 'port'?",
        ),
        (
            with_neighbour(transit=[1, 2], transit_s=[1, 2]),
            "cameras[0].neighbours[0].transit: unknown key; did you mean 'transit_s'?",
        ),
        (with_camera(qqqq=3), "cameras[0].qqqq: unknown key; remove it or use one of: clock_"),
        ({"cameras": []}, "cameras: no cameras; add at least one"),
        ({"workers": 1}, "cameras: missing; add it"),
        ({"cameras": None}, "cameras: must be a list, not null"),
        ({"cameras": ["x"]}, "cameras[0]: must be a group of 'key: value' lines, not x"),
        ({"cameras": [{"id": "a"}]}, "cameras[0].url: missing; add it"),
        (with_camera(id=1), 'cameras[0].id: must be text; write it in quotes: "1"'),
        (with_camera(id="a/b"), "cameras[0].id: 'a/b' is not usable as an id; use letters"),
        (with_camera(id=".."), "cameras[0].id: '..' is not usable"),
        (with_camera(url="demo:moon"), "no built-in demo view 'demo:moon'; use one of demo:lobby"),
        (with_camera(url="ftp://h/x"), "cannot read ftp:// addresses; use rtsp://"),
        (with_camera(url="rtsp://"), "names no host"),
        (with_camera(url="http://h:99999/x"), "not a valid address"),
        (with_camera(url=True), "cameras[0].url: write a path"),
        (with_camera(url=-1), "cameras[0].url: write a path"),
        (with_camera(timezone="Mars/X"), "unknown time zone 'Mars/X'"),
        (with_camera(timezone="../etc"), "unknown time zone"),
        (with_camera(fps_cap=0), "cameras[0].fps_cap: must be greater than 0.0, not 0"),
        (with_camera(fps_cap=True), "cameras[0].fps_cap: must be a number, not true"),
        (with_camera(fps_cap="fast"), "cameras[0].fps_cap: must be a number, not fast"),
        (with_camera(clock_offset_s=float("nan")), "must be a finite number, not nan"),
        (with_camera(ignore_zones=[[[0, 0], [1, 1]]]), "ignore_zones[0]: a polygon needs 3"),
        (
            with_camera(ignore_zones=[[[0, 0], [1, 1], [640, 2]]]),
            "ignore_zones[0]: point [640, 2] is outside 0..1; divide pixels",
        ),
        (
            with_camera(neighbours=[{"camera": "zz", "transit_s": [1, 2]}]),
            "cameras[0].neighbours[0].camera: no camera 'zz'; known cameras: a",
        ),
        (
            with_camera(neighbours=[{"camera": "a", "transit_s": [1, 2]}]),
            "cameras[0].neighbours[0].camera: 'a' cannot be its own neighbour; remove it",
        ),
        (
            with_neighbour(transit_s=[5, 1]),
            "neighbours[0].transit_s: min is above max in [5, 1]",
        ),
        (
            with_neighbour(transit_s=[-5, 1]),
            "neighbours[0].transit_s: seconds cannot be negative",
        ),
        ({"cameras": [CAMERA, CAMERA]}, "cameras[1].id: 'a' is already the id of cameras[0]"),
        (
            {"cameras": [CAMERA, {**CAMERA, "id": "A"}]},
            "cameras[1].id: 'A' is already the id of cameras[0]",
        ),
        ({"cameras": [CAMERA], "workers": 0}, "workers: must be 1 or more, not 0"),
        ({"cameras": [CAMERA], "detector": {"image_size": 100}}, "must be a multiple of 32"),
        ({"cameras": [CAMERA], "detector": {"batch_size": 1.5}}, "must be a whole number, not 1.5"),
        ({"cameras": [CAMERA], "detector": {"confidence": 2}}, "must be 1.0 or less, not 2"),
        ({"cameras": [CAMERA], "detector": {"skip_empty": 7}}, "must be true or false, not 7"),
        ({"cameras": [CAMERA], "detector": {"weights": "/n.pt"}}, "detector.weights: file not fou"),
        ({"cameras": [CAMERA], "embedder": {"mode": "no"}}, "must be 'adaptive' or 'every', not"),
        ({"cameras": [CAMERA], "tracker": {"overrides": [1]}}, "must be a group of"),
        (
            {"cameras": [CAMERA], "tracker": {"camera_motion": "on"}},
            "tracker.camera_motion: must be 'auto' or 'off', not on",
        ),
        (
            {"cameras": [CAMERA], "tracker": {"camera_motion": True}},
            "tracker.camera_motion: must be 'auto' or 'off', not true",
        ),
        ({"cameras": [CAMERA], "ui": {"host": "0.0.0.0"}}, "ui.host: 0.0.0.0 can be reached by"),
        ({"cameras": [CAMERA], "ui": {"username": "x"}}, "ui.username: set username and password"),
        (
            {"cameras": [CAMERA], "transport": {"endpoint": "tcp://1.2.3.4:5"}},
            "transport.endpoint: tcp://1.2.3.4:5 leaves this machine without encryption; set",
        ),
        ({"cameras": [CAMERA], "transport": {"endpoint": "tcp://*:5"}}, "without encryption"),
        ({"cameras": [CAMERA], "transport": {"endpoint": "udp://x"}}, "write ipc://path"),
        ({"cameras": [CAMERA], "transport": {"curve_public_key": "/n"}}, "file not found: /n"),
        ("", "is empty; start with 'cameras:'"),
        ("- a\n- b\n", "is a list, not a mapping"),
        ("cameras: [\n", "line 2, column 1"),
        ("workers: 1\nworkers: 2\n", "line 2, column 1: key 'workers' is written twice; keep one"),
        ("cameras:\n  - id: a\n    id: b\n", "line 3, column 5: key 'id' is written twice"),
        ("!!python/object:os.system {}", "could not determine a constructor"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_with_file_key_and_reason(
    tmp_path: Path, data: Any, expected: str
) -> None:
    [line] = problems(tmp_path, data)
    assert line.startswith("cams.yaml: ")
    assert expected in line


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    data = {
        "cameras": [
            {"id": "a", "url": "/none.mp4", "neighbours": [{"camera": "q", "transit_s": [0, 1]}]},
            {"id": "a", "url": 0},
        ],
        "workers": -1,
        "uii": {},
    }
    keys = [line.split(": ")[1] for line in problems(tmp_path, data)]
    assert keys == [
        "cameras[0].url",
        "workers",
        "uii",
        "cameras[1].id",
        "cameras[0].neighbours[0].camera",
    ]


@pytest.mark.parametrize("written", ["2026-01-05T08:00:00", "2026-01-05 08:00", "2026-01-05"])
def test_naive_start_time_asks_for_an_offset(tmp_path: Path, written: str) -> None:
    (tmp_path / "a.mp4").touch()
    text = f"cameras: [{{id: a, url: a.mp4, start_time: {written}}}]"
    [line] = problems(tmp_path, text)
    assert "cameras[0].start_time: " in line
    assert "+00:00 or Z" in line


@pytest.mark.parametrize("written", ["2026-01-05T08:00:00Z", '"2026-01-05T09:00:00+01:00"'])
def test_start_time_becomes_utc(tmp_path: Path, written: str) -> None:
    (tmp_path / "a.mp4").touch()
    text = f"cameras: [{{id: a, url: a.mp4, start_time: {written}}}]"
    camera = load_config(write(tmp_path, text)).cameras[0]
    assert camera.start_time == datetime(2026, 1, 5, 8, tzinfo=UTC)


def test_start_time_must_be_a_time(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    [line] = problems(tmp_path, with_camera(url="a.mp4", start_time="noon"))
    assert "start_time: 'noon' is not an ISO 8601 time; write e.g." in line


def test_start_time_is_for_recordings_only(tmp_path: Path) -> None:
    [line] = problems(tmp_path, with_camera(url="rtsp://h/x", start_time="2026-01-05T08:00:00Z"))
    assert "cameras[0].start_time: only recordings have one, this is a stream" in line


def test_missing_and_unreadable_configuration_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: file not found: /.*none\.yaml"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="is a folder; name a YAML file"):
        load_config(tmp_path)
    (tmp_path / "cams.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="save it as UTF-8"):
        load_config(tmp_path / "cams.yaml")


def test_remote_endpoint_and_open_page_are_accepted_when_protected(tmp_path: Path) -> None:
    for name in ("public", "secret"):
        (tmp_path / name).touch()
    keys = {"curve_public_key": "public", "curve_secret_key": "secret"}
    data = {
        "cameras": [CAMERA],
        "transport": {"endpoint": "tcp://10.0.0.5:5555", **keys},
        "ui": {"host": "0.0.0.0", "username": "op", "password_env": "CROSSWALK_PASSWORD"},
    }
    config = load_config(write(tmp_path, data))
    assert config.transport.curve_secret_key == (tmp_path / "secret").resolve()
    [line] = problems(tmp_path, {**data, "transport": {"curve_secret_key": "secret"}})
    assert "transport.curve_secret_key: set curve_public_key and" in line


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:5", "tcp://[::1]:5", "ipc:///tmp/x"])
def test_local_endpoints_need_no_keys(tmp_path: Path, endpoint: str) -> None:
    data = {"cameras": [CAMERA], "transport": {"endpoint": endpoint}}
    assert load_config(write(tmp_path, data)).transport.endpoint == endpoint


@given(st.text(max_size=30))
def test_any_id_is_accepted_or_refused_cleanly(name: str) -> None:
    try:
        camera = CameraConfig(id=name, url="demo:lobby")
    except ValidationError:
        return
    assert Path(name).name == name
    assert camera.name == name


@given(st.lists(st.sampled_from("abc"), max_size=5))
def test_camera_problems_count_each_repeated_id(names: list[str]) -> None:
    found = camera_problems([(name, []) for name in names])
    assert len(found) == len(names) - len(set(names))


def test_models_can_be_built_in_code() -> None:
    config = RunConfig(cameras=[CameraConfig(id="a", url="0")])
    assert config.cameras[0].url == "0"
    with pytest.raises(ValidationError, match="already the id"):
        RunConfig(cameras=[CameraConfig(id="a", url="0"), CameraConfig(id="a", url="1")])
