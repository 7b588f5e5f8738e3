"""Search a preset's settings, and say honestly what they are worth on sequences not searched on.

Each fold leaves one sequence out, searches on the others and is scored on the one left out; a
last search uses all of them, and its settings are the ones to ship.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.tracking.search_space import SearchSpace, Settings

Point = tuple[Any, ...]

ScoreMany = Callable[[list[tuple[Settings, str]]], list[float]]

_PARENTS = 6


@dataclass(frozen=True)
class Fold:
    """One search.

    Attributes:
        held_out: the sequence that was left out; "" for the search over all.
        settings: the best that was found. searched: its mean score on the sequences searched on.
        held_out_score: of the sequence left out; NaN for the search over all.
    """

    held_out: str
    settings: Settings
    searched: float
    held_out_score: float


class Tuner:
    """Evolves settings; scores are remembered, so that folds share what they have in common.

    Args:
        space: the knobs. start: point to begin with, in the order of the knobs.
        sequences: names of all sequences.
        score_many: (settings, sequence) pairs -> scores, larger is better; may work in parallel.
        batch: candidates that are scored together.
        seed: of all chances.
    """

    def __init__(
        self,
        space: SearchSpace,
        start: Point,
        sequences: Sequence[str],
        score_many: ScoreMany,
        *,
        batch: int = 4,
        seed: int = 0,
    ) -> None:
        self._space, self._start, self._sequences = space, start, list(sequences)
        self._score_many, self._batch, self._seed = score_many, batch, seed
        self._known: dict[tuple[Point, str], float] = {}

    def fold(
        self, held_out: str, trials: int, on_trial: Callable[[int, float], None] | None = None
    ) -> Fold:
        """Search without one sequence ("" leaves none out), by `trials` candidates."""
        names = [name for name in self._sequences if name != held_out]
        rng = np.random.default_rng(
            [self._seed, self._sequences.index(held_out) + 1 if held_out else 0]
        )
        best = self._mean({self._start}, names)
        done = 1
        while done < trials:
            count = min(self._batch, trials - done)
            candidates = {self._candidate(best, rng) for _ in range(count)}
            best = best | self._mean(candidates, names)
            best = dict(sorted(best.items(), key=lambda item: -item[1])[: 4 * _PARENTS])
            done += count
            if on_trial is not None:
                on_trial(done, next(iter(best.values())))
        point, searched = max(best.items(), key=lambda item: item[1])
        left = self._mean({point}, [held_out])[point] if held_out else float("nan")
        return Fold(held_out, self._space.settings(point), searched, left)

    def start_score(self, name: str) -> float:
        """What the settings to begin with reach on one sequence."""
        return self._mean({self._start}, [name])[self._start]

    def _candidate(self, best: dict[Point, float], rng: np.random.Generator) -> Point:
        ranked = list(best)
        if rng.random() < 0.1:
            return self._space.sample(rng)
        parent = ranked[int(rng.integers(min(_PARENTS, len(ranked))))]
        other = ranked[int(rng.integers(len(ranked)))]
        return self._space.vary(parent, other, rng)

    def _mean(self, points: set[Point], names: list[str]) -> dict[Point, float]:
        wanted = [
            (point, name)
            for point in sorted(points, key=repr)
            for name in names
            if (point, name) not in self._known
        ]
        scores = self._score_many([(self._space.settings(p), name) for p, name in wanted])
        self._known |= dict(zip(wanted, scores, strict=True))
        return {
            point: float(np.mean([self._known[point, name] for name in names])) for point in points
        }
