"""Where the hub listens: checks of ZeroMQ addresses and the keys that tcp needs."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import zmq
import zmq.auth

from pipeline import config
from pipeline.errors import ConfigError

MAX_IPC_BYTES = 107
"""Longest path of a Unix socket on Linux; macOS allows 103, see `ipc_endpoint`."""
_SAFE_IPC_BYTES = 100


@dataclass(frozen=True)
class TransportSettings:
    """How workers and hub reach each other.

    Attributes:
        endpoint: `ipc://PATH`, `inproc://NAME` or `tcp://HOST:PORT`.
        secret_key_file: own CURVE certificate with the secret key (`*.key_secret`); None for
            none, which only `ipc`, `inproc` and loopback `tcp` allow.
        hub_key_file: workers: the hub's public certificate (`*.key`).
        worker_keys_folder: hub: folder with the public certificates of the admitted workers.
    """

    endpoint: str
    secret_key_file: str | None = None
    hub_key_file: str | None = None
    worker_keys_folder: str | None = None


def check_endpoint(settings: TransportSettings) -> None:
    """Raise ConfigError if the address cannot be used or would be open to the network."""
    endpoint = settings.endpoint
    scheme, separator, address = endpoint.partition("://")
    if not separator or scheme not in ("ipc", "inproc", "tcp") or not address:
        raise ConfigError(
            f"transport.endpoint: {endpoint!r} is not an address; "
            "use ipc://PATH, inproc://NAME or tcp://HOST:PORT"
        )
    if scheme == "ipc" and len(os.fsencode(address)) > MAX_IPC_BYTES:
        raise ConfigError(
            f"transport.endpoint: the path is longer than {MAX_IPC_BYTES} bytes, which Unix "
            f"sockets do not allow: {address}; choose a shorter one"
        )
    if scheme == "tcp" and settings.secret_key_file is None and not is_loopback(address):
        raise ConfigError(
            f"transport.endpoint: {endpoint} can be reached from the network but has no keys; "
            "make CURVE keys and name them, or use tcp://127.0.0.1:PORT or ipc://"
        )


def is_loopback(address: str) -> bool:
    """Whether `HOST:PORT` can only be reached from this machine."""
    return config.is_loopback(address.rpartition(":")[0].strip("[]"))


def ipc_endpoint(folder: Path, name: str) -> str:
    """An `ipc://` address in the folder, or in a private short folder if that is too long.

    Raises ConfigError if the short folder belongs to somebody else.
    """
    path = folder.resolve() / name
    if len(os.fsencode(str(path))) <= _SAFE_IPC_BYTES:
        folder.mkdir(parents=True, exist_ok=True)
        return f"ipc://{path}"
    digest = hashlib.sha256(os.fsencode(str(folder.resolve()))).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"crosswalk-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    status = short.lstat()
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if status.st_uid != os.getuid() or not private:
        raise ConfigError(f"{short} exists and is not private to this user; remove it")
    endpoint = f"ipc://{short / name}"
    check_endpoint(TransportSettings(endpoint))
    return endpoint


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Create a CURVE key pair; return the paths of public and secret certificate.

    Raises FileExistsError rather than replacing keys.
    """
    for path in (folder / f"{name}.key", folder / f"{name}.key_secret"):
        if path.exists():
            raise FileExistsError(f"{path} exists; choose another name")
    folder.mkdir(parents=True, exist_ok=True)
    public, secret = zmq.auth.create_certificates(folder, name)
    os.chmod(secret, 0o600)
    return Path(public), Path(secret)


def secure_hub_socket(socket: zmq.Socket[bytes], settings: TransportSettings) -> None:
    """Give a socket that will be bound the hub's keys, if any. Raises ConfigError."""
    if settings.secret_key_file is None:
        return
    if settings.worker_keys_folder is None:
        raise ConfigError("transport.worker_keys_folder: missing; it says which workers may send")
    socket.curve_publickey, socket.curve_secretkey = _load_pair(settings.secret_key_file)
    socket.curve_server = True


def secure_worker_socket(socket: zmq.Socket[bytes], settings: TransportSettings) -> None:
    """Give a socket that will be connected the worker's and the hub's keys. Raises ConfigError."""
    if settings.secret_key_file is None:
        return
    if settings.hub_key_file is None:
        raise ConfigError("transport.hub_key_file: missing; it proves that the hub is the hub")
    socket.curve_publickey, socket.curve_secretkey = _load_pair(settings.secret_key_file)
    socket.curve_serverkey = _load_public(settings.hub_key_file)


def _load_public(path: str) -> bytes:
    try:
        return zmq.auth.load_certificate(path)[0]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a CURVE certificate: {error}") from error


def _load_pair(path: str) -> tuple[bytes, bytes]:
    try:
        public, secret = zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a CURVE certificate: {error}") from error
    if secret is None:
        raise ConfigError(f"{path}: holds no secret key; name the *.key_secret file")
    return public, secret
