"""The camera motion of a sequence: measured once, kept under a name that knows its inputs."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.tracking import sequence_motion as module
from pipeline.tracking.observations import FrameObservations, observe_sequence
from pipeline.tracking.replay import replay
from pipeline.tracking.sequence_folder import SequenceFolder, read_sequences
from pipeline.tracking.sequence_motion import sequence_motion
from reid.embeddings import Embeddings
from tests.pipeline.fake_stages import ColourEmbedder, ColourTracker
from trackers.camera_motion import CameraMotion, CameraMotionConfig
from trackers.detections import Detections

FRAMES = 8
BOX = np.array([[60.0, 40, 100, 140]], np.float32)


def write_sequence(folder: Path, pan: int) -> SequenceFolder:
    """A wall that a camera passes by at `pan` pixels per frame."""
    rng = np.random.default_rng(0)
    rough = cv2.GaussianBlur(rng.standard_normal((200, 400)), (0, 0), 3)
    wall = np.clip(128 + 400 * rough, 0, 255).astype(np.uint8)
    (folder / "img1").mkdir(parents=True)
    for index in range(FRAMES):
        left = 40 - pan * index
        cv2.imwrite(str(folder / "img1" / f"{index + 1:06d}.png"), wall[:, left : left + 300])
    (folder / "seqinfo.ini").write_text("[Sequence]\nname=wall\nframeRate=10\n")
    return read_sequences([folder])[0]


def boxes(shift: float = 0.0) -> list[Detections]:
    return [Detections(BOX + np.float32(shift), np.ones(1, np.float32)) for _ in range(FRAMES)]


@pytest.mark.parametrize("pan", [0, 3])
def test_says_per_frame_how_the_camera_moved(tmp_path: Path, pan: int) -> None:
    sequence = write_sequence(tmp_path / "wall", pan)
    done: list[tuple[int, int]] = []
    measured = sequence_motion(
        sequence, boxes(), tmp_path / "cache", on_frame=lambda *a: done.append(a)
    )
    assert done == [(k + 1, FRAMES) for k in range(FRAMES)]
    camera = CameraMotion()
    for index, affine in enumerate(measured):
        direct = camera.update(sequence.image(index), index / 10, BOX)
        assert (affine is None) == (direct is None) == (pan == 0 or index == 0)
        if affine is not None:
            np.testing.assert_array_equal(affine, direct)
            np.testing.assert_allclose(affine, [[1, 0, 3], [0, 1, 0]], atol=0.3)


def test_is_measured_anew_only_if_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence, cache = write_sequence(tmp_path / "wall", 3), tmp_path / "cache"
    first = sequence_motion(sequence, boxes(), cache)
    count = 0
    measure = module._measure

    def counting(*arguments: object) -> np.ndarray:
        nonlocal count
        count += 1
        return measure(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_measure", counting)
    again = sequence_motion(sequence, boxes(), cache)
    assert count == 0
    for one, other in zip(first, again, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)
    sequence_motion(sequence, boxes(1.0), cache)
    assert count == 1, "other boxes"
    still = sequence_motion(sequence, boxes(), cache, CameraMotionConfig(still_px=50.0))
    assert count == 2, "other settings"
    assert still == [None] * FRAMES
    os.utime(sequence.image_files[3], ns=(1, 1))
    sequence_motion(sequence, boxes(), cache)
    assert count == 3, "another picture"
    assert len(list(cache.iterdir())) == 4
    assert not list(cache.glob(".*")), "no temporary file stays"


class ListeningTracker(ColourTracker):
    """Writes down the motions that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[np.ndarray | None] = []

    def update(
        self,
        frame_index: int,
        time_s: float,
        detections: Detections,
        embeddings: Embeddings | None,
        embedded_rows: np.ndarray,
        camera_motion: np.ndarray | None = None,
    ) -> list:
        self.told.append(camera_motion)
        return super().update(frame_index, time_s, detections, embeddings, embedded_rows)


def test_observations_hold_the_motion_and_a_replay_hands_it_on(tmp_path: Path) -> None:
    sequence = write_sequence(tmp_path / "wall", 3)
    embedder = ColourEmbedder()
    frames: list[FrameObservations] = observe_sequence(
        sequence,
        boxes(),
        embedder,
        tmp_path / "cache",  # type: ignore[arg-type]
    )
    measured = sequence_motion(sequence, boxes(), tmp_path / "cache")
    told, untold = ListeningTracker(), ListeningTracker()
    replay(told, frames, sequence.fps)
    replay(untold, frames, sequence.fps, camera_motion=False)
    assert untold.told == [None] * FRAMES
    assert [m is None for m in told.told] == [True] + [False] * (FRAMES - 1)
    for heard, frame, affine in zip(told.told, frames, measured, strict=True):
        assert heard is frame.camera_motion
        if affine is not None:
            np.testing.assert_array_equal(heard, affine)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "moves"),
    [
        ("ETH-Sunnyday", True),
        ("PETS09-S2L1", False),
        ("TUD-Campus", False),
        ("TUD-Stadtmitte", False),
    ],
)
def test_real_sequences_move_or_stand_as_they_did(
    tmp_path: Path, shared_dir: Path, name: str, moves: bool
) -> None:
    (sequence,) = read_sequences([shared_dir / "data" / "mot" / name])
    measured = sequence_motion(sequence, sequence.detections("det/yolo11n_int8.txt"), tmp_path)
    moving = sum(affine is not None for affine in measured)
    assert moving == 0 if not moves else moving >= 0.95 * len(sequence)
