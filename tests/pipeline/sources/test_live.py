"""Live sources against a loopback HTTP server and a scripted capture."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.config import CameraConfig
from pipeline.sources import LiveOptions, LiveSource, Source, SourceError, open_source
from pipeline.sources.newest import NewestSlot

QUICK = LiveOptions(stall_s=2, first_backoff_s=0.05, max_backoff_s=0.1)


class _MjpegHandler(BaseHTTPRequestHandler):
    """Sends `frames` JPEG pictures per connection as multipart, 50 a second."""

    frames = 30
    connections = 0

    def do_GET(self) -> None:
        type(self).connections += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for k in range(self.frames):
                picture = np.full((48, 64, 3), k * 8 % 256, np.uint8)
                data = cv2.imencode(".jpg", picture)[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                time.sleep(0.02)
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_http_stream_is_live_reconnects_and_hides_credentials() -> None:
    class Handler(_MjpegHandler):
        frames = 25

    with serve(Handler) as host:
        config = CameraConfig(id="cam", url=f"http://op:geheim@{host}/video.mjpg")
        source = open_source(config, live=QUICK)
        assert isinstance(source, LiveSource)
        assert isinstance(source, Source)
        before = datetime.now(UTC)
        frames = []
        for frame in source:
            frames.append(frame)
            if source.stats.reconnects >= 1 and len(frames) > 5:
                source.close()
    assert Handler.connections >= 2
    indices = [f.index for f in frames]
    assert indices == sorted(set(indices))
    assert all(before <= f.time_utc <= datetime.now(UTC) for f in frames)
    assert [f.offset_s for f in frames] == sorted(f.offset_s for f in frames)
    info = source.info
    assert (info.width, info.height, info.is_live, info.frame_count) == (64, 48, True, None)
    assert info.url == f"http://{host}/video.mjpg"
    assert any("the stream ended; trying again in" in line for line in source.warnings)
    assert not any("geheim" in line for line in source.warnings)


def test_recording_on_a_web_server_is_read_to_its_end(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for k in range(20):
        writer.write(np.full((48, 64, 3), k, np.uint8))
    writer.release()
    data = (tmp_path / "a.avi").read_bytes()

    class Handler(_MjpegHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with serve(Handler) as host:
        source = open_source(CameraConfig(id="cam", url=f"http://{host}/a.avi"))
        assert [f.index for f in source] == list(range(20))
    assert not source.info.is_live
    assert source.info.start_time_origin == "time of opening"


def test_unreachable_camera_gives_up_after_the_asked_number_of_attempts() -> None:
    options = LiveOptions(stall_s=1, first_backoff_s=0.01, max_backoff_s=0.02, max_failures=2)
    config = CameraConfig(id="cam", url="http://op:geheim@127.0.0.1:9/live")
    with pytest.raises(SourceError, match=r"cannot connect.*gave up after 2 attempts") as caught:
        list(open_source(config, live=options))
    assert "camera cam (http://127.0.0.1:9/live)" in str(caught.value)
    assert "geheim" not in str(caught.value)


class ScriptedCapture:
    """Stands for cv2.VideoCapture: gives `frames` pictures, then ends, hangs or waits."""

    def __init__(self, frames: int, interval_s: float = 0.0, hang: bool = False) -> None:
        self.frames, self.interval_s, self.hang = frames, interval_s, hang
        self.released = False

    def isOpened(self) -> bool:
        return self.frames >= 0

    def get(self, _: int) -> float:
        return 30.0

    def grab(self) -> bool:
        time.sleep(self.interval_s)
        if self.frames == 0 and self.hang:
            time.sleep(1.5)
        self.frames -= 1
        return self.frames >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((4, 6, 3), np.uint8)

    def release(self) -> None:
        self.released = True


def scripted(
    captures: list[ScriptedCapture], options: LiveOptions = QUICK, **config: Any
) -> LiveSource:
    remaining = iter(captures)

    def opener() -> Any:
        return next(remaining, ScriptedCapture(-1))

    return LiveSource(CameraConfig(id="cam", url="0", **config), options, opener)


def test_slow_reader_gets_the_newest_frame_and_drops_are_counted() -> None:
    source = scripted([ScriptedCapture(200, 0.005)])
    indices = []
    for frame in source:
        indices.append(frame.index)
        time.sleep(0.05)
        if len(indices) == 5:
            source.close()
    gaps = np.diff(indices)
    assert (gaps > 1).all()
    assert source.stats.dropped >= 10
    assert source.stats.received > source.stats.dropped


def test_rate_cap_thins_a_live_stream() -> None:
    source = scripted([ScriptedCapture(60, 0.01)], LiveOptions(max_failures=1), fps_cap=10)
    threading.Timer(0.9, source.close).start()
    frames = list(source)
    assert 3 <= len(frames) <= 11


def test_lost_connections_are_made_again_and_indices_go_on() -> None:
    captures = [ScriptedCapture(3, 0.03), ScriptedCapture(-1), ScriptedCapture(3, 0.03)]
    options = LiveOptions(stall_s=2, first_backoff_s=0.02, max_backoff_s=0.05, max_failures=2)
    source = scripted(list(captures), options)
    indices: list[int] = []
    with pytest.raises(SourceError):
        indices.extend(frame.index for frame in source)
    assert indices == [0, 1, 2, 3, 4, 5]
    assert source.stats.reconnects == 1
    assert all(capture.released for capture in captures)
    assert any("cannot connect" in line for line in source.warnings)


def test_hanging_driver_is_replaced_by_the_watchdog() -> None:
    options = LiveOptions(stall_s=0.1, first_backoff_s=0.01, max_backoff_s=0.05)
    source = scripted([ScriptedCapture(2, 0.05, hang=True), ScriptedCapture(50, 0.03)], options)
    indices = []
    for frame in source:
        indices.append(frame.index)
        if frame.index >= 4:
            source.close()
    assert any("the reader hangs, starting another" in line for line in source.warnings)


def test_closing_wakes_a_waiting_reader_at_once() -> None:
    source = scripted([ScriptedCapture(1, 0.0, hang=True)])
    threading.Timer(0.2, source.close).start()
    began = time.monotonic()
    assert len(list(source)) == 1
    assert time.monotonic() - began < 1.2
    source.close()


def test_seeking_a_live_source_does_nothing() -> None:
    source = scripted([ScriptedCapture(2, 0.02)])
    source.seek(100)
    assert next(iter(source)).index <= 1
    with pytest.raises(ValueError, match="negative"):
        source.seek(-1)
    source.close()


def test_newest_slot_keeps_one_item() -> None:
    slot: NewestSlot[int] = NewestSlot()
    assert slot.take(0.01) is None
    slot.put(1)
    slot.put(2)
    assert (slot.take(0.01), slot.take(0.01), slot.dropped) == (2, None, 1)
    slot.put(3)
    slot.close()
    slot.put(4)
    assert (slot.take(1), slot.take(1), slot.closed) == (3, None, True)
