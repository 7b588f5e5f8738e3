"""Cutting, drawing, keeping and removing clips."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_video import write_video
from search_builders import RUN, T0, open_archive, tracklet

from pipeline import clip_writer, clips
from pipeline.clip_drawing import ACCENT_BGR, box_at, draw_box, draw_caption, text_plate
from pipeline.clip_frames import ClipError, frames_between, recording_config
from pipeline.clip_writer import clip_suffix, write_clip
from pipeline.clips import ClipCutter, at_rate, remove_all_clips
from pipeline.config import CameraConfig
from storage.records import LinkRecord
from storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Three tracklets of a video of 8 s, and some whose recording cannot be played."""
    video = str(write_video(tmp_path / "a.avi", 80))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with open_archive(tmp_path) as opened:
        items = [tracklet(f"t{n}", "red", source=video) for n in range(3)]
        items += [
            tracklet("gone", "red", source=str(tmp_path / "gone.mp4")),
            tracklet("broken", "red", source=str(broken)),
            tracklet("live", "red", source="rtsp://10.0.0.1/stream"),
            tracklet("webcam", "red", source="0"),
            dataclasses.replace(tracklet("late", "red", source=video), source_offset_s=60.0),
            tracklet("demo", "red", source="demo:lobby"),
        ]
        opened.add_tracklets(items, RUN)
        opened.apply_links([LinkRecord("t1", "new", identity_key="a")])
        opened.set_label(1, "Ms Red", "test")
        yield opened


def read(path: Path) -> list[np.ndarray]:
    """Decode a clip."""
    capture = cv2.VideoCapture(str(path))
    images = []
    while True:
        done, image = capture.read()
        if not done:
            return images
        images.append(image)


def accent_share(image: np.ndarray) -> float:
    """Share of pixels of the box's colour."""
    return float((np.abs(image.astype(int) - ACCENT_BGR).max(axis=2) < 60).mean())


def test_a_clip_shows_the_tracklet_and_what_surrounds_it(store: Store) -> None:
    clip = ClipCutter(store, padding_s=1.0).cut("t1")
    images = read(clip.path)
    assert clip.path.parent == store.media.root.resolve() / "clips"
    assert clip.path.suffix == clip_suffix()
    assert len(images) == pytest.approx(31, abs=1)
    assert images[0].shape == (120, 160, 3)
    assert (clip.title, clip.camera) == ("Ms Red (person 1)", "cam-1")
    assert accent_share(images[2]) < 0.005 < accent_share(images[15])
    assert accent_share(images[28]) < 0.005


def test_the_box_moves_with_the_person(store: Store) -> None:
    images = read(ClipCutter(store, padding_s=1.0).cut("t0").path)
    lower = [np.abs(i[40:60].astype(int) - ACCENT_BGR).max(axis=2) < 70 for i in images]
    first, last = (np.flatnonzero(lower[k].any(axis=0)) for k in (11, 19))
    assert last.min() - first.min() == pytest.approx(32, abs=5)


@pytest.mark.parametrize(
    ("uuid", "sentence"),
    [
        ("nobody", "no tracklet nobody"),
        ("gone", "no longer there.*put it back"),
        ("broken", "cannot be read"),
        ("live", "is live and its pictures were not recorded"),
        ("webcam", "is live"),
        ("late", "no picture at this time"),
    ],
)
def test_what_cannot_be_played_is_said(store: Store, uuid: str, sentence: str) -> None:
    cutter = ClipCutter(store)
    with pytest.raises(ClipError, match=sentence):
        cutter.cut(uuid)
    assert not cutter.folder.exists() or not list(cutter.folder.iterdir())


def test_a_demo_clip(store: Store) -> None:
    images = read(ClipCutter(store, padding_s=0.2).cut("demo").path)
    assert len(images) == pytest.approx(15, abs=1)
    assert images[0].shape == (480, 640, 3)


def test_clips_are_kept_until_something_changes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cutter = ClipCutter(store, padding_s=0.2)
    first = cutter.cut("t1")
    monkeypatch.setattr(clips, "write_clip", lambda *_: pytest.fail("cut again"))
    assert cutter.cut("t1") == first
    monkeypatch.undo()
    store.set_label(1, "Mrs Red", "test")
    assert cutter.cut("t1").path != first.path


def test_the_clip_played_longest_ago_goes_first(store: Store) -> None:
    cutter = ClipCutter(store, padding_s=0.2)
    paths = {uuid: cutter.cut(uuid).path for uuid in ("t0", "t1")}
    for age, path in enumerate(paths.values()):
        os.utime(path, (1e9 - age, 1e9 - age))
    room = int(1.3 * sum(path.stat().st_size for path in paths.values()))
    tight = ClipCutter(store, padding_s=0.2, max_bytes=room)
    newest = tight.cut("t2").path
    assert newest.exists()
    assert paths["t0"].exists()
    assert not paths["t1"].exists()
    alone = ClipCutter(store, padding_s=0.3, max_bytes=1).cut("t2").path
    assert list(alone.parent.iterdir()) == [alone]


def test_all_clips_are_removed_after_an_erasure(store: Store) -> None:
    assert remove_all_clips(store) == 0
    cutter = ClipCutter(store, padding_s=0.2)
    cutter.cut("t0")
    cutter.cut("t1")
    assert remove_all_clips(store) == 2
    assert not list(cutter.folder.iterdir())


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_both_writers(tmp_path: Path, suffix: str) -> None:
    pictures = [np.full((61, 81, 3), 8 * n, np.uint8) for n in range(20)]
    path = tmp_path / f"c{suffix}"
    assert write_clip(path, pictures, 12.5) == 20
    images = read(path)
    assert len(images) == 20
    assert images[0].shape == (60, 80, 3)
    assert abs(float(images[10].mean()) - 80) < 6
    with pytest.raises(OSError, match="cannot be written"):
        write_clip(tmp_path / "no" / f"c{suffix}", pictures, 10)


def test_without_pyav_a_webm_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_writer, "find_spec", lambda _: None)
    clip = ClipCutter(store, padding_s=0.2).cut("t0")
    assert clip.path.suffix == ".webm"
    assert len(read(clip.path)) > 10


def test_jumping_into_a_recording_gives_the_same_frames(tmp_path: Path) -> None:
    images = (np.full((48, 64, 3), n % 250, np.uint8) for n in range(400))
    path = tmp_path / "long.mp4"
    write_clip(path, images, 10.0)
    config = CameraConfig(id="c", url=str(path))
    found = list(frames_between(config, 30.0, 30.95))
    assert [round(10 * at) for at, _ in found] == list(range(300, 310))
    for at, image in found:
        assert abs(float(image.mean()) - round(10 * at) % 250) < 4


def test_recordings_keep_their_start(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    start = datetime(2026, 1, 5, tzinfo=UTC)
    path = write_video(tmp_path / "a.avi", 5)
    assert recording_config("c", str(path), start).start_time == start
    assert recording_config("c", "demo:yard", start).start_time is None


def test_boxes_between_and_beyond() -> None:
    item = tracklet("t", "red")
    assert box_at(item, T0 + 0.25) == pytest.approx([10, 10, 30, 60], abs=1e-4)
    assert box_at(item, T0 - 0.01) == pytest.approx([0, 10, 20, 60])
    assert box_at(item, T0 - 1) is None
    assert box_at(item, T0 + 2) is None
    holey = dataclasses.replace(item, times_s=np.r_[item.times_s[:5], item.times_s[5:] + 9])
    assert box_at(holey, T0 + 3) is None
    assert box_at(holey, T0 + 0.2) is not None


@pytest.mark.parametrize("name", ["Person 1", "Käthe Łuczak", "a" * 300, ""])
def test_any_name_can_be_drawn(name: str) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    draw_box(image, np.array([-5, -5, 30, 60], np.float32), name)
    draw_caption(image, name)
    assert image.any()
    assert text_plate(name, 12, (0, 0, 0), (255, 255, 255)).shape[2] == 3


def test_frames_come_at_the_asked_rate() -> None:
    blank = np.zeros((2, 2, 3), np.uint8)
    fast = list(at_rate(((n / 50, blank) for n in range(100)), 10))
    assert len(fast) == pytest.approx(20, abs=1)
    slow = list(at_rate(((n / 5, blank) for n in range(11)), 10))
    assert len(slow) == pytest.approx(21, abs=1)
    cut = list(at_rate(((at, blank) for at in (0.0, 0.1, 60.0, 60.1)), 10))
    assert len(cut) == 4
