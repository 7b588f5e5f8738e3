"""Search a preset's settings, and say honestly what they are worth on sequences not searched on.

Each fold leaves one sequence out with all its variants, searches on the others and is scored on
the one left out; a last fold uses all of them, and its settings are the ones to ship. A fold may
search several times from other chances: its settings are then the medians of what was found,
which lie where the searches agree and not where one of them was lucky.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low, mode
from typing import Any

import numpy as np

from pipeline.tracking.search_space import SearchSpace, Settings

Point = tuple[Any, ...]

ScoreMany = Callable[[list[tuple[Settings, str]]], list[float]]

_PARENTS = 6


@dataclass(frozen=True)
class Fold:
    """What the searches without one sequence found.

    Attributes:
        held_out: the sequence that was left out; "" if none was.
        settings: the best that was found; of several searches the medians.
        searched: its mean score on the sequences searched on and their variants.
        held_out_score: of the sequence left out as it was recorded; NaN if none was.
    """

    held_out: str
    settings: Settings
    searched: float
    held_out_score: float


class Tuner:
    """Evolves settings; scores are remembered, so that folds share what they have in common.

    Args:
        space: the knobs. start: point to begin with, in the order of the knobs.
        variants: of every sequence, by name, what it is called as it was recorded and then its
            variants; in a search a sequence counts as the mean of all of them.
        score_many: (settings, variant) pairs -> scores, larger is better; may work in parallel.
        batch: candidates that are scored together.
        seed: of all chances.
        searches: per fold.
    """

    def __init__(
        self,
        space: SearchSpace,
        start: Point,
        variants: Mapping[str, Sequence[str]],
        score_many: ScoreMany,
        *,
        batch: int = 4,
        seed: int = 0,
        searches: int = 1,
    ) -> None:
        self._space, self._start, self._variants = space, start, dict(variants)
        self._score_many, self._batch, self._seed = score_many, batch, seed
        self._searches = searches
        self._known: dict[tuple[Point, str], float] = {}

    def fold(
        self, held_out: str, trials: int, on_trial: Callable[[int, float], None] | None = None
    ) -> Fold:
        """Search without one sequence ("" leaves none out), by `trials` candidates per search.

        `on_trial` is told how many candidates of all searches were scored, and the best score of
        the search that runs.
        """
        names = [name for name in self._variants if name != held_out]
        found = []
        for number in range(self._searches):
            before = number * trials

            def report(done: int, best: float, before: int = before) -> None:
                if on_trial is not None:
                    on_trial(before + done, best)

            found.append(self.search(held_out, trials, number, report))
        point = medians(found)
        left = self.recorded(self._space.settings(point), held_out) if held_out else float("nan")
        return Fold(held_out, self._space.settings(point), self._mean({point}, names)[point], left)

    def start_score(self, name: str) -> float:
        """What the settings to begin with reach on one sequence as it was recorded."""
        return self.recorded(self._space.settings(self._start), name)

    def recorded(self, settings: Settings, name: str) -> float:
        """What settings reach on one sequence as it was recorded."""
        point = self._space.point(settings)
        return self._scores([(point, self._variants[name][0])])[0]

    def search(
        self,
        held_out: str,
        trials: int,
        number: int = 0,
        on_trial: Callable[[int, float], None] = lambda done, best: None,
    ) -> Point:
        """One of a fold's searches: the best of its candidates."""
        names = [name for name in self._variants if name != held_out]
        rng = self._chances(held_out, number)
        best = self._mean({self._start}, names)
        done = 1
        while done < trials:
            count = min(self._batch, trials - done)
            candidates = {self._candidate(best, rng) for _ in range(count)}
            best = best | self._mean(candidates, names)
            best = dict(sorted(best.items(), key=lambda item: -item[1])[: 4 * _PARENTS])
            done += count
            on_trial(done, next(iter(best.values())))
        return max(best.items(), key=lambda item: item[1])[0]

    def _chances(self, held_out: str, number: int) -> np.random.Generator:
        fold = list(self._variants).index(held_out) + 1 if held_out else 0
        return np.random.default_rng([self._seed, fold, number])

    def _candidate(self, best: dict[Point, float], rng: np.random.Generator) -> Point:
        ranked = list(best)
        if rng.random() < 0.1:
            return self._space.sample(rng)
        parent = ranked[int(rng.integers(min(_PARENTS, len(ranked))))]
        other = ranked[int(rng.integers(len(ranked)))]
        return self._space.vary(parent, other, rng)

    def _mean(self, points: set[Point], names: list[str]) -> dict[Point, float]:
        """The mean over sequences of the mean over their variants."""
        order = sorted(points, key=repr)
        shown = [variant for name in names for variant in self._variants[name]]
        scores = self._scores([(point, variant) for point in order for variant in shown])
        weights = [1 / len(self._variants[name]) for name in names for _ in self._variants[name]]
        table = np.reshape(scores, (len(order), len(shown))) @ np.array(weights) / len(names)
        return dict(zip(order, table.tolist(), strict=True))

    def _scores(self, wanted: list[tuple[Point, str]]) -> list[float]:
        new = [pair for pair in dict.fromkeys(wanted) if pair not in self._known]
        scores = self._score_many([(self._space.settings(p), name) for p, name in new])
        self._known |= dict(zip(new, scores, strict=True))
        return [self._known[pair] for pair in wanted]


def medians(points: list[Point]) -> Point:
    """Knob by knob the median; of choices, and what else has no order, the most frequent."""
    return tuple(
        median_low(values) if all(_is_number(v) for v in values) else mode(values)
        for values in zip(*points, strict=True)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
