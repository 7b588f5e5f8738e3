"""A small archive in which every person has a direction, and an embedder that sees colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reid.embeddings import Embeddings
from reid.wearing.questions import Question
from reid.wearing.readout import Readout
from storage.records import CameraInfo
from storage.store import Store, sqlite_url
from storage.tracklets import Exemplar, Tracklet
from trackers.detections import Detections

RUN = "run-1"
T0 = 1_767_600_000.0  # 2026-01-05 08:00:00 UTC
PARTS = 4
COLOURS = {"red": (30, 30, 220), "green": (40, 200, 40), "blue": (220, 60, 30)}


class ColourEmbedder:
    """Describes a crop by the mean colour of its stripes."""

    def __init__(self, fingerprint: str = "colour-1", readout: Readout | None = None) -> None:
        self.fingerprint = fingerprint
        self.readout = readout

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        """Embed (h, w, 3) crops."""
        parts = np.stack([_stripes(crop) for crop in crops_bgr])
        wholes = parts.mean(axis=1)
        wholes /= np.linalg.norm(wholes, axis=-1, keepdims=True)
        seen = np.ones(parts.shape[:2], np.float32)
        return Embeddings(wholes.astype(np.float32), parts, seen, self.fingerprint)


def _stripes(crop_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = cv2.resize(crop_bgr, (1, PARTS), interpolation=cv2.INTER_AREA)[:, 0].astype(np.float32)
    rows = np.concatenate([small - small.mean(axis=1, keepdims=True), np.ones((PARTS, 1))], axis=1)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def colour_readout(fingerprint: str = "colour-1") -> Readout:
    """Names the upper colour of `crop`s; "bag", which nobody has, passes with 0.4, "hat" never."""
    seen = ColourEmbedder().embed([crop(colour) for colour in COLOURS]).global_features
    questions = (
        Question("upper colour", tuple(f"{colour} upper" for colour in COLOURS)),
        Question("bag", ("no bag", "bag")),
        Question("hat", ("no hat", "hat")),
    )
    weight = np.concatenate([8 * seen, np.zeros((4, seen.shape[1]))]).astype(np.float32)
    bias = np.array([0, 0, 0, np.log(1.5), 0, 5, 0], np.float32)
    thresholds = np.array([0.5, 0.5, 0.5, 0.3, 0.3, 0.5, 0.5], np.float32)
    let_pass = np.array([0.1, 0.1, 0.1, 0.7, 0.6, 0.5, 0.2], np.float32)
    return Readout(questions, weight, bias, thresholds, let_pass, fingerprint)


class FixedDetector:
    """Always finds the same boxes."""

    def __init__(self, boxes: list[tuple[float, float, float, float]]) -> None:
        self._boxes = boxes

    def detect(self, images: list[NDArray[np.uint8]]) -> list[Detections]:
        """Return the boxes for each picture."""
        scores = np.linspace(0.9, 0.5, len(self._boxes))
        return [Detections(np.array(self._boxes), scores) for _ in images]


def crop(colour: str, shade: int = 0) -> NDArray[np.uint8]:
    """A person of one colour with grey trousers, 64 x 32 pixels."""
    image = np.full((64, 32, 3), 90, np.uint8)
    image[:32] = np.clip(np.add(COLOURS[colour], (shade, 0, 0)), 0, 255)
    return image


def tracklet(
    uuid: str,
    colour: str,
    camera: str = "cam-1",
    start_s: float = T0,
    *,
    track: str | None = None,
    pictures: int = 2,
    fingerprint: str = "colour-1",
    source: str = "/videos/gone.mp4",
) -> Tracklet:
    """A tracklet of one second that shows a person of one colour."""
    crops = [crop(colour, 20 * number) for number in range(pictures)]
    vectors = ColourEmbedder().embed(crops) if crops else None
    times = start_s + np.arange(11) / 10
    lefts = np.arange(11, dtype=np.float32) * 4
    boxes = np.stack([lefts, lefts * 0 + 10, lefts + 20, lefts * 0 + 60], axis=1)
    exemplars = tuple(
        Exemplar(
            time_s=start_s + 0.1 * row,
            frame_index=row,
            box_xyxy=boxes[row],
            crop_jpeg=cv2.imencode(".jpg", picture)[1].tobytes(),
            quality=0.9 - 0.1 * row,
            global_feature=vectors.global_features[row],
            part_features=vectors.part_features[row],
            part_visibility=vectors.part_visibility[row],
        )
        for row, picture in enumerate(crops)
        if vectors is not None
    )
    return Tracklet(
        uuid=uuid,
        track_uuid=track or f"track-{uuid}",
        camera=camera,
        frame_indices=np.arange(11, dtype=np.int64),
        times_s=times,
        boxes_xyxy=boxes.astype(np.float32),
        scores=np.full(11, 0.8, np.float32),
        exemplars=exemplars,
        fingerprint=fingerprint,
        source=source,
        source_offset_s=2.0,
        frame_size_wh=(160, 120),
        source_fps=10.0,
    )


def open_archive(folder: Path) -> Store:
    """An archive of two cameras in Berlin, without anybody."""
    store = Store.open(sqlite_url(folder / "store"), folder / "media", fsync=False)
    cameras = [CameraInfo(f"cam-{n}", f"Door {n}", "", "Europe/Berlin") for n in (1, 2)]
    store.begin_run(RUN, {}, cameras)
    return store
