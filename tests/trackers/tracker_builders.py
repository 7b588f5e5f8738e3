"""Detections, made-up people and runs of a tracker for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from reid.embeddings import Embeddings
from trackers.detections import Detections
from trackers.pieces import Tracker, TrackPiece

FINGERPRINT = "made-up"


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
