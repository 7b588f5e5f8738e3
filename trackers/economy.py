"""When a tracker needs to look: which detections are worth an embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackers.boxes import covered, iou
from trackers.detections import Detections
from trackers.frame_view import eligible
from trackers.staged_config import TrackerConfig
from trackers.track_table import TrackTable


def worth_embedding(
    table: TrackTable,
    predicted_xyxy: NDArray[np.floating],
    time_s: float,
    detections: Detections,
    config: TrackerConfig,
) -> NDArray[np.bool_]:
    """Which of the N detections to embed: (N,) bool.

    New people, young tracks, ambiguous or crowded places, and everybody now and then; a calm,
    long known track needs no embedding to be followed. That no stage looks at appearance changes
    nothing, because tracklets are searched and joined by what was embedded.

    Args:
        table: the M live ones. predicted_xyxy: (M, 4) where they are expected, pixels.
        time_s: of the frame in seconds. detections: of the frame.
        config: scores and intervals.
    """
    economy = config.economy
    wanted = eligible(detections, config) & (detections.scores >= economy.min_score)
    if economy.every_box or not wanted.any() or not len(table):
        return wanted
    overlap = iou(predicted_xyxy, detections.boxes_xyxy)
    best = overlap.argmax(0)
    known = overlap.max(0) >= 0.3
    young = (table.embeddings < economy.young_embeddings)[best]
    busy = (overlap > 0.15).sum(0) > 1
    busy |= covered(detections.boxes_xyxy) > economy.crowd_cover
    interval = np.where(busy | young, economy.crowd_interval_s, economy.calm_interval_s)
    return wanted & (~known | (time_s - table.embedded_s[best] >= interval - 1e-6))
