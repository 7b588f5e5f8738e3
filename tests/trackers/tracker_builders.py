"""Detections, made-up people and runs of a tracker for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from reid.embeddings import Embeddings
from trackers.detections import Detections
from trackers.frame_view import FrameView
from trackers.pieces import Tracker, TrackPiece
from trackers.presets import PRESETS
from trackers.staged import StagedTracker
from trackers.staged_config import BirthConfig, EconomyConfig, StageConfig, TrackerConfig
from trackers.track_table import TrackTable

FINGERPRINT = "made-up"
EVERY_PRESET = sorted(path.stem for path in PRESETS.glob("*.yaml"))

CONFIDENT = StageConfig(
    min_score=0.4,
    min_overlap=0.15,
    appearance_weight=0.5,
    veto_distance=0.8,
    crowd_veto_distance=0.7,
    unseen_weight=0.05,
)
FAINT = StageConfig(max_score=0.4, max_unseen_s=1.0, min_overlap=0.4)
LOST = StageConfig(
    min_score=0.4,
    appearance_weight=1.0,
    need_appearance=True,
    max_speed=4.0,
    limit=0.3,
    margin=0.05,
    restart=True,
)
THREE_STAGES = TrackerConfig(
    stages={"confident": CONFIDENT, "faint": FAINT, "lost": LOST},
    min_score=0.1,
    max_lost_s=2.0,
    piece_s=30.0,
    births=BirthConfig(min_score=0.5, max_cover=0.7, confirm_hits=2, confirm_s=0.5),
    economy=EconomyConfig(
        min_score=0.4, calm_interval_s=0.5, crowd_interval_s=0.15, crowd_cover=0.2
    ),
)
"""A tracker of known numbers, whatever the presets say."""


def three_stages(**changes: Any) -> StagedTracker:
    """A new tracker of `THREE_STAGES` with other settings."""
    return StagedTracker(replace(THREE_STAGES, **changes))


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random float32 rows of length 1."""
    rows = rng.standard_normal(shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def box(x: float, y: float = 200.0, width: float = 40.0, height: float = 100.0) -> np.ndarray:
    """(4,) xyxy around a centre."""
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2], np.float32)


@dataclass(frozen=True)
class Looks:
    """One made-up person's appearance: 64 numbers and 4 parts of 32."""

    whole: np.ndarray
    parts: np.ndarray

    @classmethod
    @cache
    def of(cls, seed: int) -> Looks:
        rng = np.random.default_rng(1000 + seed)
        return cls(unit(rng, 64), unit(rng, 4, 32))

    def seen(self, rng: np.random.Generator, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
        """The same looks with a little noise in each number."""
        whole = self.whole + noise * rng.standard_normal(self.whole.shape)
        parts = self.parts + noise * rng.standard_normal(self.parts.shape)
        return (
            (whole / np.linalg.norm(whole)).astype(np.float32),
            (parts / np.linalg.norm(parts, axis=-1, keepdims=True)).astype(np.float32),
        )


def embeddings(vectors: Sequence[tuple[np.ndarray, np.ndarray]]) -> Embeddings:
    """All parts visible."""
    wholes = np.array([w for w, _ in vectors], np.float32).reshape(len(vectors), -1)
    parts = np.array([p for _, p in vectors], np.float32)
    return Embeddings(wholes, parts, np.ones(parts.shape[:2], np.float32), FINGERPRINT)


@dataclass(frozen=True)
class Sighting:
    """A person's box in one frame."""

    person: int
    box_xyxy: np.ndarray
    score: float = 0.9


def view(
    sightings: Sequence[Sighting],
    time_s: float = 1.0,
    embedded: bool | Sequence[int] = True,
    config: TrackerConfig = THREE_STAGES,
) -> FrameView:
    """Frame 10 * `time_s`, in which everybody, nobody or these rows are embedded without noise."""
    detections = Detections(
        np.array([s.box_xyxy for s in sightings], np.float32).reshape(-1, 4),
        np.array([s.score for s in sightings], np.float32),
    )
    if isinstance(embedded, bool):
        embedded = range(len(sightings) if embedded else 0)
    looks = [Looks.of(sightings[row].person) for row in embedded]
    batch = embeddings([(one.whole, one.parts) for one in looks]) if looks else None
    rows = np.array(embedded, np.int64)
    return FrameView.of(round(time_s * 10), time_s, detections, batch, rows, config)


def table_of(*tracks: tuple[int, float, float]) -> TrackTable:
    """Tracks (person, x of the centre, seconds) that were seen once, each alone in its frame."""
    table = TrackTable(THREE_STAGES.motion, THREE_STAGES.appearance)
    for person, x, seen_s in tracks:
        table.add(view([Sighting(person, box(x))], seen_s), np.array([0]))
    return table


@dataclass
class Drive:
    """Feeds frames of sightings to a tracker, embedding what it asks for.

    Attributes:
        pieces: closed so far. requested, shown: counts of boxes embedded and given.
        who: (frame, row) -> person.
    """

    tracker: Tracker
    noise: float = 0.05
    pieces: list[TrackPiece] = field(default_factory=list)
    requested: int = 0
    shown: int = 0
    who: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(7)

    def frame(self, index: int, time_s: float, sightings: Sequence[Sighting]) -> np.ndarray:
        """One frame; returns which rows were asked for."""
        detections = Detections(
            np.array([s.box_xyxy for s in sightings], np.float32).reshape(-1, 4),
            np.array([s.score for s in sightings], np.float32),
        )
        asked = self.tracker.embedding_requests(time_s, detections)
        rows = np.flatnonzero(asked)
        vectors = [Looks.of(sightings[r].person).seen(self.rng, self.noise) for r in rows]
        batch = embeddings(vectors) if vectors else None
        self.who |= {(index, row): s.person for row, s in enumerate(sightings)}
        self.pieces += self.tracker.update(index, time_s, detections, batch, rows)
        self.requested += len(rows)
        self.shown += len(sightings)
        return asked

    def run(self, frames: Iterable[Sequence[Sighting]], fps: float = 10.0) -> Drive:
        """All frames and the end of the source."""
        for index, sightings in enumerate(frames):
            self.frame(index, index / fps, sightings)
        self.pieces += self.tracker.close()
        return self

    def people(self, piece: TrackPiece) -> list[int]:
        """The persons behind a piece's detections, in time order."""
        pairs = zip(piece.frame_indices.tolist(), piece.detection_rows.tolist(), strict=True)
        return [self.who[pair] for pair in pairs if pair[1] >= 0]

    def ids(self, person: int) -> set[int]:
        """The track ids that a person was given."""
        return {p.track_id for p in self.pieces if person in self.people(p)}
