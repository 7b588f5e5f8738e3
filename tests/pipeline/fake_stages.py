"""Stages that need no model: people are coloured rectangles on a black picture.

`build` is a stage factory. The environment variable `CROSSWALK_TEST_DELAY_S` slows the detector
down, `CROSSWALK_TEST_CRASH_AT` makes it exit after that many pictures.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import CameraConfig, RunConfig
from pipeline.errors import ConfigError
from pipeline.frames import Frame
from pipeline.stage_types import Stages
from reid.embeddings import Embeddings
from trackers.detections import Detections
from trackers.pieces import LiveTrack, TrackPiece

Image = NDArray[np.uint8]
FINGERPRINT = "colour-of-the-rectangle"


class RectangleDetector:
    """Finds rectangles that are not black."""

    def __init__(self) -> None:
        self.delay_s = float(os.environ.get("CROSSWALK_TEST_DELAY_S", "0"))
        self.crash_at = int(os.environ.get("CROSSWALK_TEST_CRASH_AT", "-1"))
        self.pictures = 0

    def load(self) -> None:
        if os.environ.get("CROSSWALK_TEST_NO_WEIGHTS"):
            raise ConfigError("detector.weights: file not found: made-up.pt")

    def detect(self, images: list[Image]) -> list[Detections]:
        time.sleep(self.delay_s)
        self.pictures += len(images)
        if 0 <= self.crash_at <= self.pictures:
            os._exit(7)
        return [self._one(image) for image in images]

    def _one(self, image: Image) -> Detections:
        mask = (image.max(axis=2) > 60).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        rows = [(x, y, x + w, y + h) for x, y, w, h, area in stats[1:] if area >= 100]
        boxes = np.array(sorted(rows), np.float32).reshape(-1, 4)
        return Detections(boxes, np.full(len(boxes), 0.9, np.float32))


class ColourEmbedder:
    """The mean colour as a vector."""

    fingerprint = FINGERPRINT

    def embed(self, crops_bgr: list[Image]) -> Embeddings:
        means = np.array([crop.reshape(-1, 3).mean(axis=0) + 1 for crop in crops_bgr], np.float32)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        parts = np.repeat(means[:, None], 2, axis=1)
        return Embeddings(means, parts, np.ones((len(means), 2), np.float32), FINGERPRINT)


@dataclass
class _Track:
    track_id: int
    feature: NDArray[np.float32]
    piece: int = 0
    rows: list[tuple[int, float, NDArray[np.float32], float, int]] = field(default_factory=list)
    last_s: float = 0.0


class ColourTracker:
    """Joins detections of like colour; pieces of at most `piece_s`, lost after `lost_s`."""

    def __init__(self, piece_s: float = 1.0, lost_s: float = 0.5) -> None:
        self.piece_s, self.lost_s = piece_s, lost_s
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._newest_s = 0.0

    def embedding_requests(self, time_s: float, detections: Detections) -> NDArray[np.bool_]:
        return np.ones(len(detections), bool)

    def update(
        self,
        frame_index: int,
        time_s: float,
        detections: Detections,
        embeddings: Embeddings | None,
        embedded_rows: NDArray[np.int64],
        camera_motion: NDArray[np.float64] | None = None,
    ) -> list[TrackPiece]:
        self._newest_s = time_s
        closed = []
        for track in [one for one in self._tracks if time_s - one.last_s > self.lost_s]:
            closed += self._close(track)
            self._tracks.remove(track)
        for place, row in enumerate(embedded_rows.tolist()):
            assert embeddings is not None
            feature = embeddings.global_features[place]
            track = self._match(feature, time_s)
            box, score = detections.boxes_xyxy[row], float(detections.scores[row])
            if track.rows and time_s - track.rows[0][1] >= self.piece_s:
                closed += self._close(track)
            track.rows.append((frame_index, time_s, box, score, row))
            track.last_s = time_s
        return closed

    def live(self) -> list[LiveTrack]:
        return [
            LiveTrack(track.track_id, track.rows[-1][2], track.last_s == self._newest_s)
            for track in self._tracks
        ]

    def close(self) -> list[TrackPiece]:
        closed = [piece for track in self._tracks for piece in self._close(track)]
        self._tracks.clear()
        return closed

    def _match(self, feature: NDArray[np.float32], time_s: float) -> _Track:
        free = [track for track in self._tracks if track.last_s != time_s]
        if free:
            best = max(free, key=lambda track: float(track.feature @ feature))
            if best.feature @ feature > 0.98:
                return best
        track = _Track(self._next_id, feature)
        self._next_id += 1
        self._tracks.append(track)
        return track

    def _close(self, track: _Track) -> list[TrackPiece]:
        if not track.rows:
            return []
        frames, times, boxes, scores, rows = zip(*track.rows, strict=True)
        piece = TrackPiece(
            track.track_id,
            track.piece,
            np.array(frames, np.int64),
            np.array(times, np.float64),
            np.stack(boxes),
            np.array(scores, np.float32),
            np.array(rows, np.int64),
        )
        track.piece += 1
        track.rows = []
        return [piece]


class NobodyGate:
    """Skips black pictures while nobody is followed."""

    def should_detect(self, frame: Frame, has_live_tracks: bool) -> bool:
        return has_live_tracks or bool(frame.image_bgr.max() > 60)


def build(config: RunConfig) -> Stages:
    """A stage factory."""

    def make_gate(camera: CameraConfig) -> NobodyGate | None:
        return NobodyGate() if config.detector.skip_empty else None

    return Stages(
        RectangleDetector(),
        ColourEmbedder(),
        lambda camera, fps, size_wh: ColourTracker(config.tracklets.max_piece_s),
        make_gate,
    )
