"""Tracklets and stores for the tests of this folder."""

from __future__ import annotations

import uuid as uuids
from pathlib import Path

import numpy as np

from storage.records import CameraInfo
from storage.store import Store, sqlite_url
from storage.tracklets import Exemplar, Tracklet

RUN = "run-1"
FINGERPRINT = "model-a"
T0 = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random float32 rows of length 1."""
    rows = rng.standard_normal(shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def exemplar(rng: np.random.Generator, dim: int = 16, time_s: float = T0) -> Exemplar:
    """A random picture with 3 parts of 8 numbers."""
    return Exemplar(
        time_s=time_s,
        frame_index=int(rng.integers(0, 2**40)),
        box_xyxy=rng.uniform(0, 900, 4).astype(np.float32),
        crop_jpeg=rng.bytes(50),
        quality=float(rng.uniform()),
        global_feature=unit(rng, dim),
        part_features=unit(rng, 3, 8),
        part_visibility=rng.uniform(size=3).astype(np.float32),
    )


def tracklet(
    seed: int = 0,
    *,
    uuid: str | None = None,
    camera: str = "cam-1",
    start_s: float = T0,
    boxes: int = 5,
    exemplars: int = 2,
    fingerprint: str = FINGERPRINT,
    dim: int = 16,
) -> Tracklet:
    """A random tracklet, the same for the same arguments."""
    rng = np.random.default_rng(seed)
    drawn = str(uuids.UUID(bytes=rng.bytes(16)))  # also if unused: the rest stays the same
    name = uuid or drawn
    return Tracklet(
        uuid=name,
        track_uuid=f"track-{name[:20]}",
        camera=camera,
        frame_indices=np.arange(boxes, dtype=np.int64) * 2 + 7,
        times_s=start_s + np.arange(boxes) / 12.5,
        boxes_xyxy=rng.uniform(0, 1900, (boxes, 4)).astype(np.float32),
        scores=rng.uniform(0.1, 1, boxes).astype(np.float32),
        exemplars=tuple(exemplar(rng, dim, start_s) for _ in range(exemplars)),
        fingerprint=fingerprint,
        source="/videos/a.mp4",
        source_offset_s=3.25,
        frame_size_wh=(1920, 1080),
        source_fps=12.5,
    )


def open_store(folder: Path, *, create: bool = True) -> Store:
    """The archive of a folder, without waiting for the disk."""
    url = sqlite_url(folder / "store")
    return Store.open(url, folder / "media", create=create, fsync=False)


def begin(store: Store) -> None:
    """Begin the run that the tests store into."""
    cameras = [CameraInfo(id=f"cam-{n}", name=f"Camera {n}", source=f"{n}.mp4") for n in (1, 2)]
    store.begin_run(RUN, {"detector": "n"}, cameras)


def assert_same(found: Tracklet, expected: Tracklet, *, crops: bool = True) -> None:
    """Equal but for float16 rounding of the vectors."""
    for name in ("frame_indices", "times_s", "boxes_xyxy", "scores"):
        left, right = getattr(found, name), getattr(expected, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    for name in ("uuid", "track_uuid", "camera", "fingerprint", "source", "source_offset_s"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.frame_size_wh == expected.frame_size_wh
    assert found.source_fps == expected.source_fps
    assert len(found.exemplars) == len(expected.exemplars)
    for left, right in zip(found.exemplars, expected.exemplars, strict=True):
        assert (left.time_s, left.frame_index) == (right.time_s, right.frame_index)
        assert left.quality == right.quality
        assert left.crop_jpeg == (right.crop_jpeg if crops else b"")
        np.testing.assert_array_equal(left.box_xyxy, right.box_xyxy)
        for name in ("global_feature", "part_features", "part_visibility"):
            a, b = getattr(left, name), getattr(right, name)
            assert (a.dtype, a.shape) == (np.float32, b.shape)
            np.testing.assert_allclose(a, b, atol=1e-3)
