"""Further versions of a labelled sequence, so that a search does not learn one recording by heart.

The people and their labels stay; what changes is how they are seen: the other way round in time,
by a slower camera, behind things that stand in the way, by a worse detector. A setting that is
good for all of them is more likely to be good elsewhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.tracking.observations import FrameObservations
from pipeline.tracking.replay import replay
from pipeline.tracking.scoring import Figures, comparable
from pipeline.tracking.sequence_folder import SequenceFolder
from trackers.detections import Detections
from trackers.metrics import MotLabels, TrackingSequence, score_sequence
from trackers.motfile import as_written
from trackers.pieces import Tracker

_LOW_FPS = 6.0
_BARS_PER_S = 0.35
_BAR_SECONDS = (0.4, 2.5)
_BAR_WIDTH = (0.08, 0.25)
_BOX_NOISE = 0.03
_SCORE_FACTOR, _SCORE_NOISE = 0.85, 0.04


@dataclass(frozen=True)
class Seen:
    """A labelled sequence as a tracker sees it, or a variant of one.

    Attributes:
        sequence: where it is from. fps: frames per second.
        frames: what is seen of each. labels: its ground truth.
    """

    sequence: SequenceFolder
    fps: float
    frames: list[FrameObservations]
    labels: MotLabels

    def figures(self, tracker: Tracker) -> Figures:
        """What a new tracker reaches here."""
        done = replay(tracker, self.frames, self.fps)
        gt, hyp = comparable(self.sequence, self.labels, as_written(done.rows))
        return Figures.of(score_sequence(TrackingSequence.from_rows(gt, hyp)), None)


def backwards(seen: Seen) -> Seen:
    """The last frame first."""
    motions = [frame.camera_motion for frame in seen.frames[1:]] + [None]
    frames = [
        replace(frame, camera_motion=None if motion is None else _inverse(motion))
        for frame, motion in zip(reversed(seen.frames), reversed(motions), strict=True)
    ]
    rows = seen.labels.rows
    turned = replace(rows, frames=len(frames) + 1 - rows.frames)
    return replace(seen, frames=frames, labels=replace(seen.labels, rows=turned))


def at_low_rate(seen: Seen) -> Seen:
    """As a camera of about 6 frames per second would see it: every second frame, or fewer."""
    step = max(2, round(seen.fps / _LOW_FPS))
    frames, way = [], np.eye(3)
    for index, frame in enumerate(seen.frames):
        if frame.camera_motion is not None:
            way = _square(frame.camera_motion) @ way
        if index % step == 0:
            moved = index > 0 and not np.array_equal(way, np.eye(3))
            frames.append(replace(frame, camera_motion=way[:2] if moved else None))
            way = np.eye(3)
    labels = seen.labels
    keep = (labels.rows.frames - 1) % step == 0
    rows = labels.rows.select(keep)
    rows = replace(rows, frames=(rows.frames - 1) // step + 1)
    classes = None if labels.classes is None else labels.classes[keep]
    return replace(seen, fps=seen.fps / step, frames=frames, labels=MotLabels(rows, classes))


def behind_bars(seen: Seen) -> Seen:
    """Upright bars hide whoever is behind them for 0.4 to 2.5 seconds; the labels know all."""
    rng, width = _chances(seen), seen.sequence.frame_size_wh[0]
    length_s = len(seen.frames) / seen.fps
    count = max(2, round(_BARS_PER_S * length_s))
    begin = rng.uniform(0, length_s, count)
    end = begin + rng.uniform(*_BAR_SECONDS, count)
    widths = rng.uniform(*_BAR_WIDTH, count) * width
    left = rng.uniform(-widths / 2, width - widths / 2)
    frames = []
    for index, frame in enumerate(seen.frames):
        boxes = frame.detections.boxes_xyxy
        middle = (boxes[:, 0] + boxes[:, 2])[:, None] / 2
        up = (begin <= index / seen.fps) & (index / seen.fps < end)
        hidden = up & (left <= middle) & (middle < left + widths)
        frames.append(_without(frame, np.any(hidden, axis=1).reshape(-1)))
    return replace(seen, frames=frames)


def badly_detected(seen: Seen) -> Seen:
    """Boxes that tremble by 3 % of their size, and a seventh less confidence."""
    rng = _chances(seen)
    frames = []
    for frame in seen.frames:
        boxes, scores = frame.detections.boxes_xyxy, frame.detections.scores
        size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        moved = boxes + rng.normal(0, _BOX_NOISE, boxes.shape) * size
        doubted = _SCORE_FACTOR * scores + rng.normal(0, _SCORE_NOISE, scores.shape)
        found = Detections(moved.astype(np.float32), doubted.clip(0, 1).astype(np.float32))
        frames.append(replace(frame, detections=found))
    return replace(seen, frames=frames)


VARIANTS: dict[str, Callable[[Seen], Seen]] = {
    "backwards": backwards,
    "low-rate": at_low_rate,
    "bars": behind_bars,
    "bad-boxes": badly_detected,
}
"""All variants by name."""


def _chances(seen: Seen) -> np.random.Generator:
    """The same for a sequence of one name, whatever the search's seed."""
    return np.random.default_rng(zlib.crc32(seen.sequence.name.encode()))


def _square(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([motion, [0.0, 0.0, 1.0]])


def _inverse(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.inv(_square(motion))[:2])


def _without(frame: FrameObservations, hidden: NDArray[np.bool_]) -> FrameObservations:
    left, found = ~hidden, frame.detections
    embedded = left[frame.embedded_rows]
    new_rows = np.cumsum(left) - 1
    return replace(
        frame,
        detections=Detections(found.boxes_xyxy[left], found.scores[left]),
        embeddings=frame.embeddings[np.flatnonzero(embedded)],
        embedded_rows=new_rows[frame.embedded_rows[embedded]].astype(np.int64),
    )
