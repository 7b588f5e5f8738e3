from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pipeline.endpoints import (
    MAX_IPC_BYTES,
    TransportSettings,
    check_endpoint,
    ipc_endpoint,
    is_loopback,
    make_keys,
)
from pipeline.errors import ConfigError
from pipeline.transport import HubSocket, Sender


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://0.0.0.0:5555", "tcp://*:5555", "tcp://192.168.1.5:5555", "tcp://hub.example:5555"],
)
def test_plain_tcp_that_the_network_can_reach_is_refused(endpoint: str) -> None:
    settings = TransportSettings(endpoint)
    for use in (check_endpoint, HubSocket, lambda given: Sender(given, [])):
        with pytest.raises(ConfigError, match="no keys"):
            use(settings)  # type: ignore[operator]


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://127.0.0.1:5555", "tcp://localhost:5", "tcp://[::1]:5", "ipc:///tmp/x", "inproc://x"],
)
def test_addresses_of_this_machine_need_no_keys(endpoint: str) -> None:
    check_endpoint(TransportSettings(endpoint))


def test_tcp_with_keys_is_accepted() -> None:
    check_endpoint(TransportSettings("tcp://0.0.0.0:5555", secret_key_file="hub.key_secret"))


@pytest.mark.parametrize("endpoint", ["", "here", "http://x:1", "tcp://", "udp://1.2.3.4:5"])
def test_other_addresses_are_refused_with_what_to_write(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="ipc://PATH"):
        check_endpoint(TransportSettings(endpoint))


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.1.2.3:1", True), ("localhost:1", True), ("[::1]:1", True), ("10.0.0.1:1", False),
     ("*:1", False)],
)  # fmt: skip
def test_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_an_ipc_path_that_is_too_long_is_refused() -> None:
    with pytest.raises(ConfigError, match="shorter"):
        check_endpoint(TransportSettings("ipc:///" + "x" * MAX_IPC_BYTES))


def test_a_short_folder_keeps_its_socket(tmp_path: Path) -> None:
    assert ipc_endpoint(Path("/tmp"), "hub.sock") == "ipc:///tmp/hub.sock"


def test_a_long_folder_gets_a_private_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    endpoint = ipc_endpoint(deep, "hub.sock")
    check_endpoint(TransportSettings(endpoint))
    folder = Path(endpoint.removeprefix("ipc://")).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert ipc_endpoint(deep, "hub.sock") == endpoint
    assert ipc_endpoint(deep / "f", "hub.sock") != endpoint
    folder.chmod(0o777)
    with pytest.raises(ConfigError, match="not private"):
        ipc_endpoint(deep, "hub.sock")
    folder.rmdir()


def test_keys_are_private_and_never_replaced(tmp_path: Path) -> None:
    public, secret = make_keys(tmp_path / "keys", "hub")
    assert "secret-key" not in public.read_text()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        make_keys(tmp_path / "keys", "hub")
