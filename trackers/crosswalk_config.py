"""The knobs of the project's own tracker."""

from __future__ import annotations

from dataclasses import dataclass, field

from trackers.appearance import AppearanceConfig
from trackers.kalman import MotionNoise
from trackers.purity import PurityConfig


@dataclass(frozen=True)
class CrosswalkConfig:
    """Knobs of the tracker; durations in seconds, distances of `bank_distances` in 0..1.

    Attributes:
        high_score: detections from here on take part in stages 1, 3 and 4.
        low_score: fainter detections are ignored; lower keeps occluded people, adds ghosts.
        birth_score: a new track needs this confidence.
        min_iou: least overlap with the predicted box in stage 1; lower survives faster motion.
        min_iou_low: the same in stage 2.
        appearance_weight: 0..1, weight of appearance beside overlap in stage 1.
        veto_distance: appearance this far apart forbids a match in stage 1.
        crowd_veto_distance: the same where several tracks or boxes overlap.
        lost_distance: nearer than this revives a lost track in stage 3; larger joins more
            people wrongly.
        lost_margin: the best lost track must beat the second by this.
        max_lost_s: a track unseen for longer is closed.
        max_speed: box heights per second a lost person may have moved.
        confirm_s: a track seen once only, and not again within this, was a ghost.
        piece_s: longest piece handed on.
        embed_interval_s: calm tracks are embedded this often.
        crowd_interval_s: tracks that overlap others, and young ones, are embedded this often.
        young_embeddings: until a track has so many it counts as young.
        crowd_cover: fraction of a box that another must cover to count as crowded.
        birth_cover: a new track may be covered by a tracked box up to this fraction; more is
            taken for a second detection of the same body.
        embed_every_box: embed all confident boxes of all frames, to measure what is saved.
        motion, appearance, purity: of the parts.
    """

    high_score: float = 0.4
    low_score: float = 0.1
    birth_score: float = 0.5
    min_iou: float = 0.15
    min_iou_low: float = 0.4
    appearance_weight: float = 0.5
    veto_distance: float = 0.8
    crowd_veto_distance: float = 0.7
    lost_distance: float = 0.3
    lost_margin: float = 0.05
    max_lost_s: float = 2.0
    max_speed: float = 4.0
    confirm_s: float = 0.5
    piece_s: float = 30.0
    embed_interval_s: float = 0.5
    crowd_interval_s: float = 0.15
    young_embeddings: int = 4
    crowd_cover: float = 0.2
    birth_cover: float = 0.7
    embed_every_box: bool = False
    motion: MotionNoise = field(default_factory=MotionNoise)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    purity: PurityConfig = field(default_factory=PurityConfig)
