"""Made-up tracklets, embeddings and pictures for the tests of the running system."""

from __future__ import annotations

from uuid import UUID, uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from reid.embeddings import Embeddings
from storage.tracklets import Exemplar, Tracklet

FINGERPRINT = "made-up-embedder"


def unit(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Random vectors of length 1 along the last axis, already rounded to float16."""
    vectors = rng.normal(size=shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9
    return vectors.astype(np.float16).astype(np.float32)


def embeddings(count: int, seed: int = 0, size: int = 16) -> Embeddings:
    """Embeddings of `count` crops with 3 parts of 4 numbers."""
    rng = np.random.default_rng(seed)
    return Embeddings(
        unit(rng, count, size), unit(rng, count, 3, 4), np.ones((count, 3), np.float32), FINGERPRINT
    )


def jpeg(seed: int = 0) -> bytes:
    """A small JPEG."""
    image = np.random.default_rng(seed).integers(0, 255, (32, 16, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def tracklet(
    uuid: str | UUID | None = None, camera: str = "a", boxes: int = 5, exemplars: int = 2
) -> Tracklet:
    """A tracklet of random content."""
    name = str(uuid or uuid4())
    rng = np.random.default_rng(UUID(name).int % 2**32)
    features = embeddings(exemplars, int(rng.integers(1 << 30)))
    corners = rng.uniform(0, 100, (boxes, 2)).astype(np.float32)
    return Tracklet(
        uuid=name,
        track_uuid=str(uuid4()),
        camera=camera,
        frame_indices=np.arange(boxes, dtype=np.int64),
        times_s=1.7e9 + np.arange(boxes) * 0.1,
        boxes_xyxy=np.concatenate([corners, corners + 50], axis=1),
        scores=rng.uniform(0, 1, boxes).astype(np.float32),
        exemplars=tuple(
            Exemplar(
                time_s=1.7e9 + 0.1 * row,
                frame_index=row,
                box_xyxy=np.array([1, 2, 30, 80], np.float32),
                crop_jpeg=jpeg(row),
                quality=0.5,
                global_feature=features.global_features[row],
                part_features=features.part_features[row],
                part_visibility=features.part_visibility[row],
            )
            for row in range(exemplars)
        ),
        fingerprint=FINGERPRINT,
        source="/videos/a.mp4",
        source_offset_s=1.5,
        frame_size_wh=(640, 480),
        source_fps=10.0,
    )
