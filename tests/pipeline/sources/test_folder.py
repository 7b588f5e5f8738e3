"""Folders of images and MOTChallenge sequences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import CameraConfig
from pipeline.sources import Source, SourceError, open_source
from pipeline.sources.folder import _natural
from pipeline.sources.rate import RateCap

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def write_images(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), np.full((24, 32, 3), k, np.uint8))
    return folder


def open_folder(folder: Path, **settings: object) -> Source:
    config = CameraConfig(id="cam", url=str(folder), **{"start_time": START, **settings})
    return open_source(config)


def test_images_come_in_natural_order_at_25_frames_per_second(tmp_path: Path) -> None:
    write_images(tmp_path / "f", ["10.png", "9.png", "1.png", "b2.png"])
    (tmp_path / "f" / "notes.txt").write_text("no image")
    source = open_folder(tmp_path / "f")
    frames = list(source)
    assert [int(f.image_bgr[0, 0, 0]) for f in frames] == [2, 1, 0, 3]
    assert [f.index for f in frames] == [0, 1, 2, 3]
    assert frames[3].time_utc == START + timedelta(seconds=3 / 25)
    info = source.info
    assert (info.width, info.height, info.fps, info.frame_count) == (32, 24, 25, 4)


def test_mot_layout_gives_frame_rate_and_folder(tmp_path: Path) -> None:
    write_images(tmp_path / "seq" / "frames", ["000001.png", "000002.png"])
    ini = "[Sequence]\nname=seq\nimDir=frames\nframeRate=10\nseqLength=2\n"
    (tmp_path / "seq" / "seqinfo.ini").write_text(ini)
    source = open_folder(tmp_path / "seq")
    assert source.info.fps == 10
    assert [f.offset_s for f in source] == [0, 0.1]


@pytest.mark.parametrize(
    ("ini", "warns"),
    [(None, False), ("nonsense", True), ("[Sequence]\nframeRate=fast\n", True),
     ("[Sequence]\nframeRate=-3\n", True), ("[Other]\n", True), ("[Sequence]\n", False),
     ("[Sequence]\nimDir=../../..\n", False)],
)  # fmt: skip
def test_broken_seqinfo_falls_back(tmp_path: Path, ini: str | None, warns: bool) -> None:
    write_images(tmp_path / "seq" / "img1", ["000001.png"])
    if ini is not None:
        (tmp_path / "seq" / "seqinfo.ini").write_text(ini)
    source = open_folder(tmp_path / "seq")
    assert len(list(source)) == 1
    assert source.info.fps == 25
    assert bool(source.warnings) is warns


def test_unreadable_image_is_skipped_and_keeps_its_index(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "f", ["1.png", "2.png", "3.png"])
    (folder / "2.png").write_bytes(b"broken")
    (folder / "0.png").write_bytes(b"")
    source = open_folder(folder)
    assert [f.index for f in source] == [1, 3]
    assert len(source.warnings) == 2
    assert "2.png cannot be read; skipped" in source.warnings[1]


def test_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"camera cam \(.*\): no images"):
        open_folder(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"broken")
    with pytest.raises(SourceError, match="no image that can be read"):
        open_folder(tmp_path)


def test_cap_seek_and_close(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "f", [f"{k}.png" for k in range(20)])
    whole = [f.index for f in open_folder(folder, fps_cap=10)]
    assert whole == [0, 3, 5, 8, 10, 13, 15, 18]
    source = open_folder(folder, fps_cap=10)
    source.seek(4)
    assert [f.index for f in source] == [5, 8, 10, 13, 15, 18]
    with pytest.raises(ValueError, match="negative"):
        source.seek(-1)
    source.seek(0)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_missing_start_time_uses_the_folder_date(tmp_path: Path) -> None:
    source = open_folder(write_images(tmp_path / "f", ["1.png"]), start_time=None)
    assert source.info.start_time_origin == "file modification time"
    assert len(source.warnings) == 1


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_natural_order_is_the_order_of_numbers(numbers: list[int]) -> None:
    names = sorted((f"img{n}.jpg" for n in numbers), key=_natural)
    assert names == [f"img{n}.jpg" for n in sorted(numbers)]


@given(st.floats(0.2, 60), st.floats(1, 60), st.integers(1, 200))
def test_cap_never_exceeds_its_rate_and_starts_anywhere(cap: float, fps: float, start: int) -> None:
    times = [k / fps for k in range(400)]
    whole = RateCap(cap)
    kept = [t for t in times if whole.keeps(t)]
    assert len(kept) <= times[-1] * cap + 2
    resumed = RateCap(cap)
    resumed.keeps(times[start - 1])
    assert [t for t in times[start:] if resumed.keeps(t)] == [t for t in kept if t >= times[start]]
