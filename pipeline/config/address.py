"""What a camera's `url` means: a recording, a folder, a stream, a webcam or the demo."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")
RECORDING_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v")
_SECRET_PARAMETERS = {
    "password", "passwd", "pass", "pwd", "user", "username", "usr", "login", "token", "auth", "key",
    "secret", "access_token", "api_key", "apikey", "loginuse", "loginpas", "signature", "sig",
}  # fmt: skip


class SourceKind(StrEnum):
    """How a camera is read."""

    VIDEO = "video"  # a recording: every frame, in order
    FOLDER = "folder"  # images in a folder: every image, in natural order
    STREAM = "stream"  # live network stream: the newest frame
    WEBCAM = "webcam"  # live device by index: the newest frame
    DEMO = "demo"  # built-in scene


def source_kind(url: str) -> SourceKind:
    """Tell the kind of a checked address.

    An http(s) address whose path ends like a recording (`.mp4`, `.mkv`, …) is a recording, any
    other network address is a live stream.
    """
    scheme, _, _ = url.partition(":")
    if url.startswith("demo:"):
        return SourceKind.DEMO
    if url.isascii() and url.isdigit():
        return SourceKind.WEBCAM
    if "://" in url and scheme.lower() in STREAM_SCHEMES:
        is_web = scheme.lower() in ("http", "https")
        recording = is_web and urlsplit(url).path.lower().endswith(RECORDING_SUFFIXES)
        return SourceKind.VIDEO if recording else SourceKind.STREAM
    return SourceKind.FOLDER if Path(url).is_dir() else SourceKind.VIDEO


def resolve_url(value: object, base: Path) -> str:
    """Check an address and make a path absolute.

    Args:
        value: what the operator wrote; an integer is a webcam index.
        base: folder against which relative paths are taken.

    Returns:
        the address as text; an absolute path for files and folders.

    Raises:
        ValueError: not an address, an unknown scheme or demo view, or a missing file.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("write a path, an rtsp:// or http(s):// address, a webcam index or demo:…")
    url = value.strip()
    if url.startswith("demo:"):
        return _check_demo(url)
    if url.isascii() and url.isdigit():
        return url
    if "://" in url:
        return _check_network(url)
    return _check_path(url, base)


def _check_demo(url: str) -> str:
    from pipeline.demo import demo_views

    if url.removeprefix("demo:") not in demo_views():
        names = ", ".join(f"demo:{view}" for view in demo_views())
        raise ValueError(f"no built-in demo view {url!r}; use one of {names}")
    return url


def _check_network(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"not a valid address ({error})") from None
    if parts.scheme.lower() not in STREAM_SCHEMES:
        raise ValueError(
            f"cannot read {parts.scheme}:// addresses; use rtsp://, rtsps://, http:// or https://, "
            "or a plain path for a file"
        )
    if not host:
        raise ValueError("the address names no host; write e.g. rtsp://192.168.1.20:554/stream1")
    return url


def at_home(path: Path) -> Path:
    """The path with `~` replaced.

    Raises:
        ValueError: nobody of that name has a home here.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: this machine has no such home folder") from None


def _check_path(text: str, base: Path) -> str:
    path = at_home(Path(text))
    absolute = path if path.is_absolute() else (base / path)
    absolute = Path(absolute).resolve()
    if not absolute.exists():
        hint = "" if path.is_absolute() else " (relative paths start at this YAML file's folder)"
        raise ValueError(f"file not found: {absolute}{hint}")
    return str(absolute)


def display_url(url: str) -> str:
    """Return the address without user name, password and secret-looking parameters."""
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.split("://")[0] + "://…"
    host = parts.netloc.rpartition("@")[2]
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if any(key.lower() in _SECRET_PARAMETERS for key, _ in pairs):
        hidden = [(k, "***" if k.lower() in _SECRET_PARAMETERS else v) for k, v in pairs]
        query = urlencode(hidden, safe="*")
    else:
        query = parts.query
    return urlunsplit((parts.scheme, host, parts.path, query, ""))
