"""What a tracker remembers of the people it follows, one row of every array per track."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackers.appearance import AppearanceConfig, Gallery
from trackers.boxes import warp_boxes
from trackers.frame_view import FrameView
from trackers.history import History, Observation
from trackers.kalman import KalmanBoxes, MotionConfig

_WAY_STEPS = 8


class TrackTable:
    """M tracks; rows are added at the end and removed by a mask.

    Attributes:
        ids: (M,) int64, never reused. pieces: (M,) number of each track's next piece.
        boxes_xyxy: (M, 4) float64 pixels, the newest detected boxes.
        seen_s: (M,) seconds, times of these. hits: (M,) detections so far.
        embedded_s: (M,) seconds, times of the newest embeddings. embeddings: (M,) how many.
        motion: filters. gallery: exemplars. histories: what has not been handed on yet.
    """

    def __init__(self, motion: MotionConfig, appearance: AppearanceConfig) -> None:
        self.ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self.pieces: NDArray[np.int64] = np.zeros(0, np.int64)
        self.boxes_xyxy: NDArray[np.float64] = np.zeros((0, 4))
        self.seen_s: NDArray[np.float64] = np.zeros(0)
        self.hits: NDArray[np.int64] = np.zeros(0, np.int64)
        self.embedded_s: NDArray[np.float64] = np.zeros(0)
        self.embeddings: NDArray[np.int64] = np.zeros(0, np.int64)
        self.motion = KalmanBoxes(motion)
        self.gallery = Gallery(appearance)
        self.histories: list[History] = []
        self._way: NDArray[np.float64] = np.zeros((0, _WAY_STEPS, 3))
        self._next_id = 1

    def __len__(self) -> int:
        return len(self.ids)

    def new_id(self) -> int:
        """An id that no track has had."""
        self._next_id += 1
        return self._next_id - 1

    def add(self, frame: FrameView, columns: NDArray[np.int64]) -> None:
        """Begin a track with each of these detections."""
        count = len(columns)
        boxes = frame.detections.boxes_xyxy[columns].astype(np.float64)
        self.ids = np.append(self.ids, np.arange(self._next_id, self._next_id + count))
        self._next_id += count
        self.pieces = np.append(self.pieces, np.zeros(count, np.int64))
        self.boxes_xyxy = np.concatenate([self.boxes_xyxy, boxes])
        self.seen_s = np.append(self.seen_s, np.full(count, frame.time_s))
        self.hits = np.append(self.hits, np.zeros(count, np.int64))
        self.embedded_s = np.append(self.embedded_s, np.full(count, -np.inf))
        self.embeddings = np.append(self.embeddings, np.zeros(count, np.int64))
        self._way = np.concatenate([self._way, np.full((count, _WAY_STEPS, 3), np.nan)])
        self.motion.add(boxes, frame.detections.scores[columns])
        self.gallery.add_rows(count)
        self.histories += [History() for _ in range(count)]
        self._remember(np.arange(len(self) - count, len(self)), frame, columns)

    def observe(
        self,
        rows: NDArray[np.int64],
        frame: FrameView,
        columns: NDArray[np.int64],
        *,
        restart: bool = False,
    ) -> None:
        """Take detections as the newest sights of tracks; `restart` forgets how these moved."""
        if not len(rows):
            return
        boxes, scores = frame.detections.boxes_xyxy[columns], frame.detections.scores[columns]
        if restart:
            self.motion.restart(rows, boxes, scores)
            self._way[rows] = np.nan
        else:
            self.motion.update(rows, boxes, scores)
        self._remember(rows, frame, columns)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the tracks where `mask` (M,) is false."""
        if mask.all():
            return
        for name in ("ids", "pieces", "boxes_xyxy", "seen_s", "hits", "embedded_s"):
            setattr(self, name, getattr(self, name)[mask])
        self.embeddings, self._way = self.embeddings[mask], self._way[mask]
        self.motion.keep(mask)
        self.gallery.keep(mask)
        self.histories = [h for h, k in zip(self.histories, mask, strict=True) if k]

    def warp(self, affine: NDArray[np.float64]) -> None:
        """Move filters, last boxes and ways along with the view: (2, 3) affine of pixels.

        What was handed on or waits in a history stays where it was seen.
        """
        if not len(self):
            return
        self.motion.warp(affine)
        self.boxes_xyxy = warp_boxes(self.boxes_xyxy, affine)
        self._way[:, :, :2] = self._way[:, :, :2] @ affine[:, :2].T + affine[:, 2]

    def directions(self, within_s: float) -> NDArray[np.float64]:
        """(M, 2) pixels from each track's oldest centre of the last `within_s` to its newest.

        Of the last eight sights; NaN for tracks that were seen but once in that time.
        """
        recent = self._way[:, :, 2] >= (self.seen_s - within_s - 1e-6)[:, None]
        oldest = recent.argmax(1)
        start = self._way[np.arange(len(self)), oldest, :2]
        way: NDArray[np.float64] = self._way[:, -1, :2] - start
        way[oldest == _WAY_STEPS - 1] = np.nan
        return way

    def _remember(
        self, rows: NDArray[np.int64], frame: FrameView, columns: NDArray[np.int64]
    ) -> None:
        boxes = frame.detections.boxes_xyxy[columns]
        self.boxes_xyxy[rows], self.seen_s[rows] = boxes, frame.time_s
        self.hits[rows] += 1
        self._way[rows, :-1] = self._way[rows, 1:]
        self._way[rows, -1, :2] = (boxes[:, :2] + boxes[:, 2:]) / 2
        self._way[rows, -1, 2] = frame.time_s
        for row, column, box in zip(rows.tolist(), columns.tolist(), boxes, strict=True):
            self._remember_one(row, frame, column, box)

    def _remember_one(
        self, row: int, frame: FrameView, column: int, box: NDArray[np.float32]
    ) -> None:
        """The gallery learns from crowded crops only while it is empty."""
        score, crowded = float(frame.detections.scores[column]), bool(frame.crowded[column])
        which, feature = int(frame.embedding_of[column]), None
        if which >= 0 and frame.embeddings is not None:
            feature = frame.embeddings.global_features[which]
            self.embedded_s[row] = frame.time_s
            self.embeddings[row] += 1
            if not crowded or not self.gallery.counts[row]:
                self.gallery.add(row, frame.embeddings, which, score)
        self.histories[row].observations.append(
            Observation(frame.index, frame.time_s, box, score, column, crowded, feature)
        )
