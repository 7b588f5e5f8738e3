"""From an address to the source that reads it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.config import CameraConfig
from pipeline.demo import DemoSource
from pipeline.errors import SourceError
from pipeline.sources import Source, open_source
from pipeline.sources.folder import FolderSource
from pipeline.sources.live import LiveOptions, LiveSource
from pipeline.sources.video import VideoSource
from tests.pipeline.made_video import write_video


def images(folder: Path) -> Path:
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), np.zeros((8, 8, 3), np.uint8))
    return folder


@pytest.mark.parametrize("kind", [VideoSource, FolderSource, DemoSource])
def test_recordings(tmp_path: Path, kind: type) -> None:
    urls = {
        VideoSource: str(write_video(tmp_path / "a.avi", 5)),
        FolderSource: str(images(tmp_path / "images")),
        DemoSource: "demo:lobby",
    }
    source = open_source(CameraConfig(id="door", url=urls[kind]))
    try:
        assert isinstance(source, kind)
        assert isinstance(source, Source)
        assert not source.info.is_live
        first = next(iter(source))
        assert (first.camera, first.index, first.offset_s) == ("door", 0, 0.0)
        assert first.time_utc == source.info.start_time_utc
        assert first.image_bgr.shape == (source.info.height, source.info.width, 3)
    finally:
        source.close()
        source.close()
    assert list(source) == [], "closed for good"


@pytest.mark.parametrize("url", ["rtsp://127.0.0.1:9/x", "http://127.0.0.1:9/live"])
def test_live_cameras_do_not_fail_at_once(url: str) -> None:
    source = open_source(CameraConfig(id="door", url=url), live=LiveOptions(max_failures=1))
    try:
        assert isinstance(source, LiveSource)
        assert source.info.is_live
        assert source.info.frame_count is None
    finally:
        source.close()


def test_a_file_that_vanishes_after_the_configuration_was_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 5)
    camera = CameraConfig(id="door", url=str(path))
    path.unlink()
    with pytest.raises(SourceError, match=rf"camera door \({path}\)"):
        open_source(camera)


def test_errors_name_the_camera_and_hide_the_password() -> None:
    camera = CameraConfig(id="gate", url="rtsp://ann:hush@10.0.0.1/live")
    text = str(SourceError(camera.id, camera.display_url, "gone"))
    assert text == "camera gate (rtsp://10.0.0.1/live): gone"
