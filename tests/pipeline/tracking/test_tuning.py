"""The search: it finds what is there, leaves the held-out sequence alone, and can be repeated."""

from __future__ import annotations

import pytest

from pipeline.tracking.search_space import Knob, SearchSpace, Settings
from pipeline.tracking.tuning import Tuner, medians

SPACE = SearchSpace((Knob(("x",), 0.0, 1.0), Knob(("y",), 0.0, 1.0)))
BEST = {"one": (0.2, 0.7), "two": (0.3, 0.7), "far": (0.9, 0.1)}
ALONE = {name: [name] for name in BEST}


class Hills:
    """Each sequence has one best place; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Settings, str]] = []

    def __call__(self, wanted: list[tuple[Settings, str]]) -> list[float]:
        self.asked += wanted
        return [
            1 - (point["x"] - BEST[name][0]) ** 2 - (point["y"] - BEST[name][1]) ** 2
            for point, name in wanted
        ]


def tuner(hills: Hills, seed: int = 0) -> Tuner:
    return Tuner(SPACE, (0.5, 0.5), ALONE, hills, seed=seed)


def test_it_climbs() -> None:
    fold = tuner(Hills()).fold("far", 200)
    assert fold.settings["x"] == pytest.approx(0.25, abs=0.05)
    assert fold.settings["y"] == pytest.approx(0.7, abs=0.05)
    assert fold.searched > 0.996


def test_the_held_out_sequence_is_asked_once_at_the_end() -> None:
    hills = Hills()
    fold = tuner(hills).fold("far", 40)
    asked = [point for point, name in hills.asked if name == "far"]
    assert asked == [fold.settings]
    assert hills.asked[-1] == (fold.settings, "far")
    assert fold.held_out_score == pytest.approx(Hills()([(fold.settings, "far")])[0])
    assert fold.held_out_score < 0.5


def test_a_search_over_all_leaves_nobody_out() -> None:
    fold = tuner(Hills()).fold("", 150)
    assert fold.settings["x"] == pytest.approx((0.2 + 0.3 + 0.9) / 3, abs=0.05)
    assert fold.held_out_score != fold.held_out_score, "not a number"


def test_one_trial_is_the_start() -> None:
    fold = tuner(Hills()).fold("far", 1)
    assert fold.settings == {"x": 0.5, "y": 0.5}


def test_the_best_is_never_worse_than_the_start() -> None:
    good = Tuner(SPACE, (0.25, 0.7), ALONE, Hills())
    assert good.fold("far", 10).searched >= 1 - 0.05**2 - 1e-12


def test_nothing_is_scored_twice_and_the_seed_decides() -> None:
    first, second, other = Hills(), Hills(), Hills()
    for hills, seed in ((first, 0), (second, 0), (other, 1)):
        run = tuner(hills, seed)
        for name in [*BEST, ""]:
            run.fold(name, 20)
        run.start_score("far")
    assert first.asked == second.asked != other.asked
    keys = [(tuple(point.values()), name) for point, name in first.asked]
    assert len(set(keys)) == len(keys)


def test_variants_of_the_held_out_sequence_are_left_out_too() -> None:
    hills = Hills()
    variants = {"one": ["one", "two"], "far": ["far", "far"]}
    Tuner(SPACE, (0.5, 0.5), variants, hills).fold("one", 10)
    assert [name for _, name in hills.asked if name != "far"] == ["one"], "as recorded, at the end"


def test_a_sequence_counts_once_however_many_variants_it_has() -> None:
    many = {"one": ["one"] * 5, "far": ["far"]}
    fold = Tuner(SPACE, (0.5, 0.5), many, Hills()).fold("", 150)
    assert fold.settings["x"] == pytest.approx((0.2 + 0.9) / 2, abs=0.05)


def test_of_several_searches_the_medians_count() -> None:
    hills = Hills()
    several = Tuner(SPACE, (0.5, 0.5), ALONE, hills, seed=3, searches=3)
    fold = several.fold("far", 12)
    single = []
    for number in range(3):
        one = Tuner(SPACE, (0.5, 0.5), ALONE, Hills(), seed=3, searches=3)
        single.append(one.search("far", 12, number))
    for place, name in enumerate(("x", "y")):
        assert fold.settings[name] == sorted(point[place] for point in single)[1]
    assert len({point for point in single}) == 3, "each search has chances of its own"


def test_of_choices_the_most_frequent_counts() -> None:
    assert medians([("a", 1, True), ("b", 4, True), ("b", 9, False)]) == ("b", 4, True)


def test_progress_is_told() -> None:
    told: list[tuple[int, float]] = []
    tuner(Hills()).fold("one", 11, lambda done, best: told.append((done, best)))
    assert [done for done, _ in told] == [5, 9, 11]
    assert [best for _, best in told] == sorted(best for _, best in told)


def test_progress_counts_on_through_several_searches() -> None:
    told: list[int] = []
    several = Tuner(SPACE, (0.5, 0.5), ALONE, Hills(), searches=2)
    several.fold("one", 5, lambda done, best: told.append(done))
    assert told == [5, 10]
