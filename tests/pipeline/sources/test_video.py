"""Recordings: order, times, caps, resuming, damage."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import pytest

from pipeline.config import CameraConfig
from pipeline.sources import Source, SourceError, VideoSource, open_source
from pipeline.sources.base import MAX_WARNINGS, WarningList
from pipeline.sources.start_time import mp4_creation_time

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
OFFICE = Path(__file__).parents[3] / ".." / "shared" / "data" / "office3"


def write_video(path: Path, frames: int = 20, fps: float = 10, fourcc: str = "mp4v") -> Path:
    """A clip whose frame k is filled with the grey value 10 k."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), fps, (64, 48))
    assert writer.isOpened()
    for k in range(frames):
        writer.write(np.full((48, 64, 3), 10 * k % 250, np.uint8))
    writer.release()
    return path


def camera(path: Path, **settings: object) -> CameraConfig:
    return CameraConfig(id="cam", url=str(path), **{"start_time": START, **settings})


def test_every_frame_in_order_with_its_time(tmp_path: Path) -> None:
    source = open_source(camera(write_video(tmp_path / "a.mp4")))
    frames = list(source)
    assert isinstance(source, Source)
    assert [f.index for f in frames] == list(range(20))
    assert [f.offset_s for f in frames] == pytest.approx([k / 10 for k in range(20)])
    assert frames[5].time_utc == START + timedelta(seconds=0.5)
    assert {f.camera for f in frames} == {"cam"}
    assert frames[7].image_bgr.shape == (48, 64, 3)
    assert abs(int(frames[7].image_bgr.mean()) - 70) <= 3
    assert source.warnings == []


def test_info_describes_the_recording(tmp_path: Path) -> None:
    info = open_source(camera(write_video(tmp_path / "a.mp4"))).info
    assert (info.width, info.height, info.fps, info.frame_count) == (64, 48, 10, 20)
    assert not info.is_live
    assert (info.start_time_utc, info.start_time_origin) == (START, "configuration")


@pytest.mark.parametrize(
    ("cap", "expected"),
    [(5, list(range(0, 20, 2))), (4, [0, 3, 5, 8, 10, 13, 15, 18]), (10, list(range(20))),
     (100, list(range(20))), (0.5, [0])],
)  # fmt: skip
def test_cap_skips_frames_but_keeps_their_indices(
    tmp_path: Path, cap: float, expected: list[int]
) -> None:
    frames = list(open_source(camera(write_video(tmp_path / "a.mp4"), fps_cap=cap)))
    assert [f.index for f in frames] == expected
    assert [f.offset_s for f in frames] == pytest.approx([k / 10 for k in expected])


@pytest.mark.parametrize("start", [0, 1, 7, 19, 20, 99])
@pytest.mark.parametrize("cap", [None, 4])
def test_resuming_yields_the_rest_of_an_unbroken_run(
    tmp_path: Path, start: int, cap: float | None
) -> None:
    config = camera(write_video(tmp_path / "a.mp4"), fps_cap=cap)
    whole = [(f.index, f.offset_s) for f in open_source(config)]
    source = open_source(config)
    source.seek(start)
    assert [(f.index, f.offset_s) for f in source] == [w for w in whole if w[0] >= start]


def test_seeking_back_and_negative(tmp_path: Path) -> None:
    source = open_source(camera(write_video(tmp_path / "a.mp4")))
    assert next(f.index for f in source if f.index == 12) == 12
    source.seek(3)
    frame = next(iter(source))
    assert frame.index == 3
    assert abs(int(frame.image_bgr.mean()) - 30) <= 3
    with pytest.raises(ValueError, match="negative"):
        source.seek(-1)


def test_closing_ends_the_iteration(tmp_path: Path) -> None:
    source = open_source(camera(write_video(tmp_path / "a.mp4")))
    seen = []
    for frame in source:
        seen.append(frame.index)
        if frame.index == 2:
            source.close()
            source.close()
    assert seen == [0, 1, 2]


def test_truncated_file_gives_what_decodes_and_says_so(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.avi", frames=40, fourcc="MJPG").read_bytes()
    (tmp_path / "a.avi").write_bytes(data[: len(data) // 2])
    source = open_source(camera(tmp_path / "a.avi"))
    got = len(list(source))
    assert 5 < got < 35
    [warning] = source.warnings
    assert warning.startswith("camera cam: ")
    assert f"40 frames expected, got {got}" in warning
    assert list(source) == []
    assert len(source.warnings) == 1


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 50])
def test_unusable_file_is_an_error_that_names_camera_and_file(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "bad.mp4").write_bytes(content)
    with pytest.raises(SourceError, match=r"camera cam \(.*bad\.mp4\): cannot be opened") as caught:
        open_source(camera(tmp_path / "bad.mp4"))
    assert caught.value.camera == "cam"


def test_mp4_without_its_index_is_an_error(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(data[: len(data) // 3])
    with pytest.raises(SourceError, match="incomplete"):
        open_source(camera(tmp_path / "a.mp4"))


def test_announced_but_empty_video_is_an_error(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.avi", fourcc="MJPG").read_bytes()
    (tmp_path / "a.avi").write_bytes(data[: data.index(b"movi") + 4])
    with pytest.raises(SourceError, match=r"no frame can be decoded|cannot be opened"):
        list(open_source(camera(tmp_path / "a.avi")))


def test_missing_start_time_is_guessed_with_a_warning(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", fourcc="MJPG")
    source = open_source(camera(path, start_time=None))
    assert source.info.start_time_origin == "file modification time"
    assert source.info.start_time_utc == datetime.fromtimestamp(path.stat().st_mtime, UTC)
    [warning] = source.warnings
    assert "no start_time in the configuration; used the file modification time, 20" in warning


def test_creation_time_in_the_file_comes_before_its_date(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    place = data.index(b"mvhd") + 8
    seconds = int((START - datetime(1904, 1, 1, tzinfo=UTC)).total_seconds())
    data[place : place + 4] = struct.pack(">I", seconds)
    path.write_bytes(bytes(data))
    source = open_source(camera(path, start_time=None))
    assert (source.info.start_time_utc, source.info.start_time_origin) == (START, "file metadata")


@pytest.mark.parametrize(
    "data",
    [b"", b"moov", struct.pack(">I4s", 0, b"moov"), struct.pack(">I4s", 4, b"free") * 3,
     struct.pack(">I4sQ", 1, b"moov", 2**63), struct.pack(">I4sI4s", 16, b"moov", 8, b"mvhd")],
)  # fmt: skip
def test_strange_files_have_no_creation_time(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(data)
    assert mp4_creation_time(tmp_path / "x.mp4") is None


def test_64_bit_creation_time(tmp_path: Path) -> None:
    seconds = int((START - datetime(1904, 1, 1, tzinfo=UTC)).total_seconds())
    header = struct.pack(">I4sB3xQQ", 28, b"mvhd", 1, seconds, 0)
    movie = struct.pack(">I4sQ", 1, b"moov", 16 + len(header)) + header
    (tmp_path / "x.mp4").write_bytes(struct.pack(">I4s", 8, b"free") + movie)
    assert mp4_creation_time(tmp_path / "x.mp4") == START


def test_clock_offset_moves_all_times(tmp_path: Path) -> None:
    source = open_source(camera(write_video(tmp_path / "a.mp4"), clock_offset_s=-2.5))
    assert next(iter(source)).time_utc == START - timedelta(seconds=2.5)


def test_only_the_newest_warnings_are_kept() -> None:
    warnings = WarningList("cam")
    for k in range(MAX_WARNINGS + 7):
        warnings.add(str(k))
    assert len(warnings.lines) == MAX_WARNINGS
    assert warnings.lines[-1] == f"camera cam: {MAX_WARNINGS + 6}"


@pytest.mark.parametrize("name", ["Cam1", "Cam2", "Cam3"])
def test_real_recordings_decode_fast(name: str) -> None:
    if not (OFFICE / f"{name}.mp4").exists():
        pytest.skip(f"no recording at {OFFICE}")
    source = VideoSource(camera(OFFICE / f"{name}.mp4"))
    began = perf_counter()
    count = sum(1 for frame, _ in zip(source, range(1000), strict=False) if frame.image_bgr.any())
    assert count == 1000
    assert (perf_counter() - began) / count < 0.003
    assert (source.info.frame_count, source.info.fps) == (5252, 25)
