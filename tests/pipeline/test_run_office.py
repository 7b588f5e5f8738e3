"""Kill -9 with the real detector, embedder and tracker on a short piece of real recordings."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.config import RunConfig
from pipeline.supervisor import run
from storage.store import Store, sqlite_url
from storage.tracklets import Tracklet
from tests.pipeline.test_run_kills import Saboteur, after, kill

OFFICE = Path(__file__).parents[2] / "../shared/data/office3"
FRAMES = 90

pytestmark = pytest.mark.slow


def cut_clip(source: Path, target: Path, frames: int) -> Path:
    """The first frames of a recording as a recording of its own."""
    capture = cv2.VideoCapture(str(source))
    fps = capture.get(cv2.CAP_PROP_FPS)
    writer: cv2.VideoWriter | None = None
    for _ in range(frames):
        done, image = capture.read()
        assert done, f"{source} is too short"
        if writer is None:
            size = (image.shape[1], image.shape[0])
            writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"MJPG"), fps, size)
        writer.write(image)
    capture.release()
    assert writer is not None
    writer.release()
    return target


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    if not OFFICE.exists():
        message = f"{OFFICE.resolve()} is missing; it holds the recordings of this test"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("clips")
    cameras = [
        {
            "id": name,
            "url": str(cut_clip(OFFICE / f"{name}.mp4", folder / f"{name}.avi", FRAMES)),
            "start_time": "2026-01-05T09:00:00Z",
        }
        for name in ("Cam1", "Cam2")
    ]
    return RunConfig.model_validate(
        {"cameras": cameras, "detector": {"batch_size": 1}, "tracklets": {"max_piece_s": 2}}
    )


def ordered(store: Path) -> list[Tracklet]:
    with Store.open(sqlite_url(store), store / "media") as opened:
        found = opened.tracklets()
    return sorted(
        found, key=lambda one: (one.camera, one.frame_indices.tolist(), one.boxes_xyxy[0, 0])
    )


@pytest.fixture(scope="module")
def undisturbed(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> list[Tracklet]:
    store = tmp_path_factory.mktemp("undisturbed")
    summary = run(config, sqlite_url(store), store / "media", store)
    assert summary.state == "finished"
    found = ordered(store)
    assert len(found) == summary.tracklets > 0
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("module", ["pipeline.worker", "pipeline.hub"])
def test_kill_9_loses_nothing_with_the_real_stages(
    config: RunConfig, undisturbed: list[Tracklet], tmp_path: Path, module: str
) -> None:
    reporter = Saboteur(after(FRAMES), kill(module))
    summary = run(config, sqlite_url(tmp_path), tmp_path / "media", tmp_path, reporter=reporter)
    assert (summary.state, summary.restarts) == ("finished", 1)
    assert summary.frames == 2 * FRAMES
    found = ordered(tmp_path)
    assert len(found) == len(undisturbed)
    for one, other in zip(found, undisturbed, strict=True):
        assert one.camera == other.camera
        np.testing.assert_array_equal(one.frame_indices, other.frame_indices)
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=0.5)
