"""When the tracker needs to look: which detections are worth an embedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trackers.boxes import covered, iou
from trackers.crosswalk_config import CrosswalkConfig
from trackers.crosswalk_state import Track, eligible
from trackers.detections import Detections


def worth_embedding(
    tracks: Sequence[Track],
    predicted_xyxy: NDArray[np.floating],
    time_s: float,
    detections: Detections,
    config: CrosswalkConfig,
) -> NDArray[np.bool_]:
    """Which of the N detections to embed: (N,) bool.

    New people, young tracks, ambiguous or crowded places, and everybody now and then; a calm,
    long known track needs no embedding to be followed.

    Args:
        tracks: the M live ones. predicted_xyxy: (M, 4) where they are expected, pixels.
        time_s: of the frame in seconds. detections: of the frame.
        config: scores and intervals.
    """
    wanted = eligible(detections, config) & (detections.scores >= config.high_score)
    if config.embed_every_box or not wanted.any() or not tracks:
        return wanted
    overlap = iou(predicted_xyxy, detections.boxes_xyxy)
    best = overlap.argmax(0)
    known = overlap.max(0) >= 0.3
    since = np.array([time_s - t.embedded_s for t in tracks])[best]
    young = np.array([t.embeddings < config.young_embeddings for t in tracks])[best]
    busy = (overlap > 0.15).sum(0) > 1
    busy |= covered(detections.boxes_xyxy) > config.crowd_cover
    interval = np.where(busy | young, config.crowd_interval_s, config.embed_interval_s)
    return wanted & (~known | (since >= interval - 1e-6))
