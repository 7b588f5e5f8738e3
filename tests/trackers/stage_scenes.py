"""Random small scenes of tracks and detections, and what a stage must say about them by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from by_hand import (
    aligned_by_hand,
    area,
    centre,
    common,
    dot,
    grown,
    height_iou_by_hand,
    iou_by_hand,
)
from tracker_builders import THREE_STAGES, embeddings, unit

from trackers.appearance import ALIGNED_SCALE, AppearanceConfig
from trackers.detections import Detections
from trackers.frame_view import FrameView
from trackers.staged_config import StageConfig
from trackers.stages import StageOutcome, match
from trackers.track_table import TrackTable

CONFIRM_HITS = 2
CONFIG = replace(THREE_STAGES, appearance=AppearanceConfig(bank_size=8, part_weight=0.4))
Look = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Seen:
    """One detection: a box, a confidence, and an appearance if it was embedded."""

    box: list[float]
    score: float
    look: Look | None


@dataclass(frozen=True)
class Scene:
    """Tracks with their sights (seconds, Seen), oldest first, and a frame at `time_s`."""

    time_s: float
    tracks: list[list[tuple[float, Seen]]]
    predicted: list[list[float]]
    shown: list[Seen]


def make_scene(seed: int, tracks: int = 4, shown: int = 4) -> Scene:
    """People in a narrow place, who look more or less like one of three."""
    rng = np.random.default_rng(seed)
    bodies = [(unit(rng, 12), unit(rng, 3, 6)) for _ in range(3)]

    def look(who: int) -> Look | None:
        if rng.random() < 0.2:
            return None
        whole, parts = bodies[who % 3]
        whole, parts = whole + rng.normal(0, 0.15, 12), parts + rng.normal(0, 0.15, (3, 6))
        return (
            (whole / np.linalg.norm(whole)).astype(np.float32),
            (parts / np.linalg.norm(parts, axis=1, keepdims=True)).astype(np.float32),
        )

    def seen(x: float, y: float, who: int) -> Seen:
        wide, high = rng.uniform(30, 60), rng.uniform(80, 140)
        corners = np.array([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], np.float32)
        return Seen(
            corners.astype(float).tolist(), float(np.float32(rng.uniform(0.15, 1))), look(who)
        )

    def history(who: int) -> list[tuple[float, Seen]]:
        x, y, vx = rng.uniform(50, 250), rng.uniform(150, 200), rng.uniform(-60, 60)
        last = 10.0 - float(rng.choice([0.1, 0.3, 0.7, 1.4]))
        times = [last - 0.15 * k for k in range(int(rng.integers(0, 4)), -1, -1)]
        return [(t, seen(x + vx * (t - 9), y + rng.normal(0, 4), who)) for t in times]

    made = [history(who) for who in range(tracks)]
    predicted = [(np.array(t[-1][1].box) + rng.normal(0, 8, 4)).tolist() for t in made]
    places = [
        centre(made[k % max(tracks, 1)][-1][1].box) if tracks else (100.0, 100.0)
        for k in range(shown)
    ]
    frame = [
        seen(x + rng.normal(0, 14), y + rng.normal(0, 8), int(rng.choice([k, k, 0])))
        for k, (x, y) in enumerate(places)
    ]
    return Scene(10.0, made, predicted, frame)


def frame_of(time_s: float, shown: list[Seen]) -> FrameView:
    looks = [(row, seen.look) for row, seen in enumerate(shown) if seen.look is not None]
    found = Detections(
        np.array([s.box for s in shown], np.float32), np.array([s.score for s in shown], np.float32)
    )
    batch = embeddings([look for _, look in looks]) if looks else None
    rows = np.array([row for row, _ in looks], np.int64)
    return FrameView.of(0, time_s, found, batch, rows, CONFIG)


def table_for(scene: Scene) -> TrackTable:
    """The tracks as the tracker remembers them; each was alone in its frames."""
    table = TrackTable(CONFIG.motion, CONFIG.appearance)
    alone = np.array([0])
    for row, sights in enumerate(scene.tracks):
        table.add(frame_of(sights[0][0], [sights[0][1]]), alone)
        for time_s, seen in sights[1:]:
            table.observe(np.array([row]), frame_of(time_s, [seen]), alone)
    return table


def outcome_of(
    stage: StageConfig, scene: Scene, table: TrackTable | None = None
) -> StageOutcome | None:
    frame = frame_of(scene.time_s, scene.shown)
    predicted = np.array(scene.predicted, np.float64).reshape(-1, 4)
    return match(stage, table, predicted, frame, CONFIRM_HITS)


class ByHand:
    """What a stage must find in a scene, pair by pair."""

    def __init__(self, stage: StageConfig, scene: Scene, table: TrackTable) -> None:
        self.stage, self.scene = stage, scene
        self.motion = table.motion
        self.rows = [r for r in range(len(scene.tracks)) if self._track_takes_part(r)]
        self.columns = [c for c in range(len(scene.shown)) if self._shown_takes_part(c)]
        self.allowed = {
            (r, c): not self._vetoed_by_place(r, c) for r in self.rows for c in self.columns
        }
        self.looks = {pair: self._look(*pair) for pair in self.allowed}
        self.cost = [[self._cost(r, c) for c in self.columns] for r in self.rows]
        if stage.margin:
            self._clear_unclear()

    def _track_takes_part(self, r: int) -> bool:
        sights = self.scene.tracks[r]
        if self.scene.time_s - sights[-1][0] > self.stage.max_unseen_s:
            return False
        confirmed = len(sights) >= CONFIRM_HITS
        return {"all": True, "confirmed": confirmed, "tentative": not confirmed}[self.stage.tracks]

    def _shown_takes_part(self, c: int) -> bool:
        seen = self.scene.shown[c]
        if self.stage.need_appearance and seen.look is None:
            return False
        return self.stage.min_score <= seen.score < self.stage.max_score

    def _old(self, r: int) -> list[float]:
        return self.scene.tracks[r][-1][1].box

    def _unseen(self, r: int) -> float:
        return self.scene.time_s - self.scene.tracks[r][-1][0]

    def overlap(self, r: int, c: int) -> float:
        stage = self.stage
        a = self.scene.predicted[r] if stage.place == "predicted" else self._old(r)
        b: list[float] = self.scene.shown[c].box
        a, b = grown(a, stage.enlarge), grown(b, stage.enlarge)
        return iou_by_hand(a, b) if stage.overlap == "iou" else height_iou_by_hand(a, b)

    def mahalanobis(self, r: int, c: int) -> float:
        """Of independent x and y, each with the variance of the estimate and of a measurement."""
        measured = 0.06 * self.motion.mean[r, 3, 0]
        total = 0.0
        for axis, place in enumerate(centre(self.scene.shown[c].box)):
            variance = self.motion.covariance[r, axis, 0, 0] + measured**2
            total += (place - self.motion.mean[r, axis, 0]) ** 2 / variance
        return total

    def _vetoed_by_place(self, r: int, c: int) -> bool:
        stage, old, new = self.stage, self._old(r), self.scene.shown[c].box
        height, tall = old[3] - old[1], new[3] - new[1]
        far = math.dist(centre(old), centre(new)) > height * (1 + stage.max_speed * self._unseen(r))
        grew = max(height / tall, tall / height) > stage.max_growth
        strange = self.mahalanobis(r, c) > stage.max_mahalanobis
        return far or grew or strange or self.overlap(r, c) < stage.min_overlap

    def _look(self, r: int, c: int) -> float:
        """Distance to the exemplar of the smallest cosine distance; NaN where nothing is said."""
        mine = [seen.look for _, seen in self.scene.tracks[r] if seen.look is not None]
        other = self.scene.shown[c].look
        if not mine or other is None or not self.allowed[r, c]:
            return math.nan
        whole, parts = min(mine, key=lambda look: -dot(look[0], other[0]))
        share = CONFIG.appearance.part_weight
        aligned = aligned_by_hand(parts, other[1]) / ALIGNED_SCALE
        distance = (1 - share) * (1 - dot(whole, other[0])) + share * aligned
        gated = distance > self.stage.max_appearance
        return math.nan if gated or self.overlap(r, c) < self.stage.appearance_overlap else distance

    def _crowded(self, c: int) -> bool:
        here, strong = (
            self.scene.shown,
            [k for k, s in enumerate(self.scene.shown) if s.score >= 0.4],
        )
        if c not in strong:
            return False
        return any(
            common(here[k].box, here[c].box) > 0.2 * area(here[c].box) for k in strong if k != c
        )

    def _vetoed_by_looks(self, r: int, c: int) -> bool:
        stage, look = self.stage, self.looks[r, c]
        if math.isnan(look):
            return stage.need_appearance
        rivals = sum(self.allowed[k, c] for k in self.rows) > 1
        choices = sum(self.allowed[r, k] for k in self.columns) > 1
        ambiguous = rivals or choices or self._crowded(c)
        return look > (stage.crowd_veto_distance if ambiguous else stage.veto_distance)

    def lead(self, looks: list[float]) -> float:
        """How much nearer the best is than the second; who is unknown counts as 1."""
        best = sorted(1.0 if math.isnan(look) else look for look in looks)
        return min(max(best[1] - best[0], 0.0), 1.0) if len(best) > 1 else 0.0

    def weight(self, r: int, c: int) -> float:
        stage = self.stage
        gain = self.lead([self.looks[r, k] for k in self.columns])
        gain += self.lead([self.looks[k, c] for k in self.rows])
        return min(max(stage.appearance_weight + stage.adaptive_weight * gain / 2, 0.0), 1.0)

    def momentum(self, r: int, c: int) -> float:
        """Angle in half turns between the way of the last 0.4 s and the way to the box; or 0."""
        last, newest = self.scene.tracks[r][-1]
        start = next(s.box for t, s in self.scene.tracks[r] if t >= last - 0.4 - 1e-6)
        (ax, ay), (bx, by), (cx, cy) = (
            centre(start),
            centre(newest.box),
            centre(self.scene.shown[c].box),
        )
        one, two = (bx - ax, by - ay), (cx - bx, cy - by)
        lengths = math.hypot(*one) * math.hypot(*two)
        if lengths == 0:
            return 0.0
        return (
            math.acos(max(-1.0, min(1.0, (one[0] * two[0] + one[1] * two[1]) / lengths))) / math.pi
        )

    def _cost(self, r: int, c: int) -> float:
        stage, look = self.stage, self.looks[r, c]
        if not self.allowed[r, c] or (stage.looks and self._vetoed_by_looks(r, c)):
            return math.inf
        score = self.scene.shown[c].score
        cost = 1 - self.overlap(r, c) * (1 - stage.score_weight + stage.score_weight * score)
        if stage.looks and not math.isnan(look):
            if stage.combine == "least":
                cost = min(cost, stage.appearance_weight * look)
            else:
                weight = self.weight(r, c)
                cost = (1 - weight) * cost + weight * look
        if stage.momentum_weight:
            cost += stage.momentum_weight * self.momentum(r, c)
        return cost + stage.unseen_weight * min(self._unseen(r), 1.0)

    def _clear_unclear(self) -> None:
        for c in range(len(self.columns)):
            best = sorted(row[c] for row in self.cost)
            if len(best) > 1 and best[1] < math.inf and best[1] - best[0] < self.stage.margin:
                for row in self.cost:
                    row[c] = math.inf
