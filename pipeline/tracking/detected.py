"""The detector's boxes of a sequence, found once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.detector import NMS_IOU, Detector
from pipeline.tracking.kept_arrays import keep_arrays
from pipeline.tracking.sequence_folder import SequenceFolder
from trackers.detections import Detections

_LAYOUT = "1"


def detect_sequence(
    sequence: SequenceFolder,
    detector: Detector,
    cache: Path,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> list[Detections]:
    """Find people in every picture of a sequence, or read them from the cache folder.

    The cache file's name has the hash of the detector's files and settings, and the pictures'
    names, sizes and times of change: whatever changes, is looked at anew.

    Args:
        sequence: its pictures. detector: loaded when it is needed.
        cache: a folder that is made when missing.
        on_frame: told frames done and in all while detecting.
    """
    path = cache / f"{sequence.name}-boxes-{_key(sequence, detector)}.npz"
    if not path.is_file():
        found = []
        for index in range(len(sequence)):
            found += detector.detect([sequence.image(index)])
            on_frame(index + 1, len(sequence))
        keep_arrays(
            path,
            boxes_xyxy=np.concatenate([d.boxes_xyxy for d in found]),
            scores=np.concatenate([d.scores for d in found]),
            counts=np.array([len(d) for d in found], np.int64),
        )
    with np.load(path) as stored:
        ends = np.cumsum(stored["counts"])[:-1]
        boxes, scores = np.split(stored["boxes_xyxy"], ends), np.split(stored["scores"], ends)
    return [Detections(b, s) for b, s in zip(boxes, scores, strict=True)]


def files_digest(path: Path) -> str:
    """A hash of a file's content, or of all files below a folder with their names."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        digest.update(file.relative_to(path).as_posix().encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _key(sequence: SequenceFolder, detector: Detector) -> str:
    what = (
        _LAYOUT,
        files_digest(detector.weights),
        detector.image_size,
        detector.confidence,
        NMS_IOU,
        sequence.pictures_digest(),
    )
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]
