"""The settings of a tracker: what its stages compare, and what is kept of a track.

`RANGES` says which numbers `trackers.presets` takes; `CHOICES` which words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType

from trackers.appearance import AppearanceConfig
from trackers.kalman import MotionConfig
from trackers.purity import PurityConfig
from trackers.ranges import COUNT, DURATION, FROM_ZERO, SHARE, UP_TO_100, Range


@dataclass(frozen=True)
class StageConfig:
    """One round of matching between tracks and detections that are still free.

    The cost of a pair is `(1 - weight) * (1 - overlap) + weight * appearance`, plus the weighted
    terms below; the pairs of least total cost are taken. A weight of appearance counts where both
    sides have an embedding, and is 0 elsewhere.

    Attributes:
        min_score, max_score: detections of this confidence take part.
        tracks: "all", "confirmed" (seen at least `confirm_hits` times) or "tentative".
        max_unseen_s: tracks not seen for longer stay out.
        place: overlap is taken with the "predicted" or with the "observed" (last detected) box.
        overlap: "iou", or "height_iou": IoU times that of the vertical extents (Hybrid-SORT).
        enlarge: both boxes grow by this fraction of their size on every side (C-BIoU); larger
            survives faster motion.
        min_overlap: pairs with less are forbidden; 0 asks for none.
        appearance_weight: 0..1, see above.
        adaptive_weight: the weight grows by up to this where one candidate looks much better than
            the second best (Deep OC-SORT).
        combine: "sum" as above, or "least" of 1 - overlap and weight * appearance (BoT-SORT).
        max_appearance, appearance_overlap: appearance says nothing about pairs that look farther
            apart, or overlap less, than this (BoT-SORT's gates).
        veto_distance: appearance this far apart forbids a pair.
        crowd_veto_distance: the same where several tracks or boxes overlap.
        need_appearance: pairs without embeddings are forbidden.
        score_weight: 0..1, how much of the overlap is multiplied by the confidence (ByteTrack: 1).
        momentum_weight: of the angle between a track's way and the way to the box (OC-SORT).
        unseen_weight: cost per second that a track was not seen, at most for one second.
        max_mahalanobis: squared distance of centres in units of the filter's uncertainty.
        max_speed: box heights per second; what is farther is forbidden.
        max_growth: factor by which the height may have changed; more is forbidden.
        limit: pairs that cost so much or more stay apart.
        margin: a detection stays free if the second best track costs less than this more.
        restart: forget how the track moved when it is matched here.
    """

    min_score: float = 0.0
    max_score: float = inf
    tracks: str = "all"
    max_unseen_s: float = inf
    place: str = "predicted"
    overlap: str = "iou"
    enlarge: float = 0.0
    min_overlap: float = 0.0
    appearance_weight: float = 0.0
    adaptive_weight: float = 0.0
    combine: str = "sum"
    max_appearance: float = inf
    appearance_overlap: float = 0.0
    veto_distance: float = inf
    crowd_veto_distance: float = inf
    need_appearance: bool = False
    score_weight: float = 0.0
    momentum_weight: float = 0.0
    unseen_weight: float = 0.0
    max_mahalanobis: float = inf
    max_speed: float = inf
    max_growth: float = inf
    limit: float = 2.0
    margin: float = 0.0
    restart: bool = False

    CHOICES = MappingProxyType(
        {
            "tracks": ("all", "confirmed", "tentative"),
            "place": ("predicted", "observed"),
            "overlap": ("iou", "height_iou"),
            "combine": ("sum", "least"),
        }
    )
    RANGES = MappingProxyType(
        {
            "min_score": SHARE,
            "max_score": FROM_ZERO,
            "max_unseen_s": FROM_ZERO,
            "enlarge": UP_TO_100,
            "min_overlap": SHARE,
            "appearance_weight": SHARE,
            "adaptive_weight": SHARE,
            "max_appearance": FROM_ZERO,
            "appearance_overlap": SHARE,
            "veto_distance": FROM_ZERO,
            "crowd_veto_distance": FROM_ZERO,
            "score_weight": SHARE,
            "momentum_weight": UP_TO_100,
            "unseen_weight": UP_TO_100,
            "max_mahalanobis": FROM_ZERO,
            "max_speed": FROM_ZERO,
            "max_growth": Range(1),
            "limit": Range(0, 100, above=True),
            "margin": UP_TO_100,
        }
    )

    @property
    def looks(self) -> bool:
        """Whether appearance has any say."""
        weighs = self.appearance_weight > 0 or self.adaptive_weight > 0
        vetoes = min(self.veto_distance, self.crowd_veto_distance) < inf
        return weighs or vetoes or self.need_appearance or self.combine == "least"


@dataclass(frozen=True)
class BirthConfig:
    """Which free detections begin a track, and when it counts.

    Attributes:
        min_score: confidence that is needed.
        max_cover: a box covered by a tracked one by more than this is a second detection of
            the same body.
        confirm_hits: detections until a track is reported.
        confirm_s: a track that is not confirmed dies after this time without a detection.
    """

    min_score: float = 0.5
    max_cover: float = 0.7
    confirm_hits: int = 2
    confirm_s: float = 0.5

    RANGES = MappingProxyType(
        {"min_score": SHARE, "max_cover": SHARE, "confirm_hits": COUNT, "confirm_s": DURATION}
    )


@dataclass(frozen=True)
class EconomyConfig:
    """Which detections are embedded.

    Attributes:
        every_box: all confident boxes of all frames.
        min_score: what is confident.
        calm_interval_s: tracks that stand clear are embedded this often.
        crowd_interval_s: tracks that overlap others, and young ones, are embedded this often.
        young_embeddings: until a track has so many it counts as young.
        crowd_cover: fraction of a box that another must cover to count as crowded.
    """

    every_box: bool = False
    min_score: float = 0.4
    calm_interval_s: float = 0.5
    crowd_interval_s: float = 0.15
    young_embeddings: int = 4
    crowd_cover: float = 0.2

    RANGES = MappingProxyType(
        {
            "min_score": SHARE,
            "calm_interval_s": FROM_ZERO,
            "crowd_interval_s": FROM_ZERO,
            "young_embeddings": Range(0, 1000),
            "crowd_cover": SHARE,
        }
    )


@dataclass(frozen=True)
class TrackerConfig:
    """A whole tracker; durations in seconds, sizes in pixels.

    Attributes:
        stages: rounds of matching by name, in order.
        min_score: fainter detections are ignored.
        max_lost_s: a track unseen for longer is closed.
        duplicate_iou: of two tracks that overlap by more, of which one is out of sight, the one
            that was seen less often is closed (ByteTrack).
        piece_s: longest piece handed on.
        births, economy, motion, appearance, purity: of the parts.
    """

    stages: Mapping[str, StageConfig] = field(default_factory=dict)
    min_score: float = 0.1
    max_lost_s: float = 2.0
    duplicate_iou: float = inf
    piece_s: float = 30.0
    births: BirthConfig = field(default_factory=BirthConfig)
    economy: EconomyConfig = field(default_factory=EconomyConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    purity: PurityConfig = field(default_factory=PurityConfig)

    RANGES = MappingProxyType(
        {
            "min_score": SHARE,
            "max_lost_s": DURATION,
            "duplicate_iou": FROM_ZERO,
            "piece_s": Range(0, above=True),
        }
    )
