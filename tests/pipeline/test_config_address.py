"""Kinds of addresses and hiding of credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import CameraConfig, SourceKind, display_url, is_loopback, source_kind


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("demo:lobby", SourceKind.DEMO),
        ("0", SourceKind.WEBCAM),
        ("rtsp://host/main", SourceKind.STREAM),
        ("RTSPS://host/main", SourceKind.STREAM),
        ("http://host/video.mjpg", SourceKind.STREAM),
        ("https://host/live.m3u8", SourceKind.STREAM),
        ("http://host/clip.MP4?x=1", SourceKind.VIDEO),
        ("rtsp://host/clip.mp4", SourceKind.STREAM),
        ("/no/such/file.mp4", SourceKind.VIDEO),
    ],
)
def test_kind_of_address(url: str, kind: SourceKind) -> None:
    assert source_kind(url) is kind


def test_folder_and_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "clip").touch()
    assert CameraConfig(id="a", url=str(tmp_path)).kind is SourceKind.FOLDER
    assert CameraConfig(id="a", url=str(tmp_path / "clip")).kind is SourceKind.VIDEO


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://user:pa@ss@host:554/main", "rtsp://host:554/main"),
        ("rtsp://user@host/main", "rtsp://host/main"),
        ("http://h/v?channel=1&Password=geheim", "http://h/v?channel=1&Password=***"),
        ("http://h/v?token=abc#frag", "http://h/v?token=***"),
        ("http://h/v?channel=1", "http://h/v?channel=1"),
        ("http://[bad/x", "http://…"),
        ("/tmp/a@b.mp4", "/tmp/a@b.mp4"),
        ("demo:lobby", "demo:lobby"),
    ],
)
def test_credentials_are_hidden(url: str, shown: str) -> None:
    assert display_url(url) == shown


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("127.9.9.9", True),
     ("0.0.0.0", False), ("*", False), ("10.0.0.1", False), ("example.org", False), ("", False)],
)  # fmt: skip
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
