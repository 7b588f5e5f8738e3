"""What a tracker sees of a sequence, computed once and kept: boxes, embeddings, camera motion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.crops import clip_boxes, cut, usable
from pipeline.tracking.kept_arrays import keep_arrays
from pipeline.tracking.sequence_folder import SequenceFolder
from pipeline.tracking.sequence_motion import sequence_motion
from reid.embeddings import Embeddings
from reid.inference import Embedder
from trackers.detections import Detections

_LAYOUT = "2"
_BATCH = 64


@dataclass(frozen=True)
class FrameObservations:
    """One frame as a tracker may see it.

    Attributes:
        detections: N boxes and scores.
        embeddings: of the K boxes that are large enough to embed.
        embedded_rows: (K,) int64 which boxes these are, ascending.
        camera_motion: (2, 3) affine from the frame before; None if the camera was still.
    """

    detections: Detections
    embeddings: Embeddings
    embedded_rows: NDArray[np.int64]
    camera_motion: NDArray[np.float64] | None = None

    def requested(self, wanted: NDArray[np.bool_]) -> tuple[Embeddings | None, NDArray[np.int64]]:
        """The embeddings of the boxes that a tracker asked for, (N,) bool, and their rows."""
        chosen = np.flatnonzero(wanted[self.embedded_rows])
        if not len(chosen):
            return None, np.zeros(0, np.int64)
        return self.embeddings[chosen], self.embedded_rows[chosen]


def observe_sequence(
    sequence: SequenceFolder,
    detections: list[Detections],
    embedder: Embedder,
    cache: Path,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> list[FrameObservations]:
    """Embed every usable box of a sequence and measure its camera's motion, or read the cache.

    The cache file's name has the model's fingerprint, the pictures' names, sizes and times of
    change, and the boxes: whatever changes, is embedded anew.

    Args:
        sequence: its pictures. detections: per frame. embedder: the model.
        cache: a folder that is made when missing.
        on_frame: told frames done and in all while embedding.
    """
    path = cache / f"{_key(sequence, detections, embedder.fingerprint)}.npz"
    rows = [_usable_rows(d, sequence.frame_size_wh) for d in detections]
    if not path.is_file():
        made = _embed(sequence, detections, rows, embedder, on_frame)
        keep_arrays(
            path,
            global_features=made.global_features,
            part_features=made.part_features,
            part_visibility=made.part_visibility,
        )
    with np.load(path) as stored:
        everything = Embeddings(
            stored["global_features"],
            stored["part_features"],
            stored["part_visibility"],
            embedder.fingerprint,
        )
    motions = sequence_motion(sequence, detections, cache)
    ends = np.cumsum([len(r) for r in rows])
    return [
        FrameObservations(d, everything[slice(int(end) - len(r), int(end))], r, motion)
        for d, r, end, motion in zip(detections, rows, ends, motions, strict=True)
    ]


def _usable_rows(detections: Detections, size_wh: tuple[int, int]) -> NDArray[np.int64]:
    return np.flatnonzero(usable(clip_boxes(detections.boxes_xyxy, size_wh)))


def _embed(
    sequence: SequenceFolder,
    detections: list[Detections],
    rows: list[NDArray[np.int64]],
    embedder: Embedder,
    on_frame: Callable[[int, int], None],
) -> Embeddings:
    parts: list[Embeddings] = []
    crops: list[NDArray[np.uint8]] = []
    for index, (found, chosen) in enumerate(zip(detections, rows, strict=True)):
        if len(chosen):
            image = sequence.image(index)
            boxes = clip_boxes(found.boxes_xyxy, sequence.frame_size_wh)[chosen]
            crops += [cut(image, box).copy() for box in boxes]
        while len(crops) >= _BATCH or (crops and index + 1 == len(sequence)):
            parts.append(embedder.embed(crops[:_BATCH]))
            crops = crops[_BATCH:]
        on_frame(index + 1, len(sequence))
    if not parts:
        parts = [embedder.embed([np.zeros((8, 4, 3), np.uint8)])[slice(0)]]
    return Embeddings(
        np.concatenate([p.global_features for p in parts]),
        np.concatenate([p.part_features for p in parts]),
        np.concatenate([p.part_visibility for p in parts]),
        embedder.fingerprint,
    )


def _key(sequence: SequenceFolder, detections: list[Detections], fingerprint: str) -> str:
    digest = hashlib.sha256(f"{_LAYOUT} {fingerprint} {sequence.pictures_digest()}".encode())
    for found in detections:
        digest.update(found.boxes_xyxy.tobytes() + b"|")
    return f"{sequence.name}-{digest.hexdigest()[:32]}"
