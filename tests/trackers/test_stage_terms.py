"""Every setting of a stage against plain loops over the pairs of random scenes."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest
from by_hand import cheapest_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_scenes import ByHand, Scene, make_scene, outcome_of, table_for

from trackers.staged_config import StageConfig
from trackers.track_table import TrackTable

PLAIN = StageConfig()
LOOKS = StageConfig(appearance_weight=0.5)
SETTINGS = {
    "plain": PLAIN,
    "min_score": replace(PLAIN, min_score=0.5),
    "max_score": replace(PLAIN, max_score=0.6),
    "confirmed": replace(PLAIN, tracks="confirmed"),
    "tentative": replace(PLAIN, tracks="tentative"),
    "max_unseen_s": replace(PLAIN, max_unseen_s=0.5),
    "place": replace(PLAIN, place="observed"),
    "height_iou": replace(PLAIN, overlap="height_iou"),
    "enlarge": replace(PLAIN, enlarge=0.3),
    "enlarged heights": replace(PLAIN, enlarge=0.3, overlap="height_iou", place="observed"),
    "min_overlap": replace(PLAIN, min_overlap=0.3),
    "max_mahalanobis": replace(PLAIN, max_mahalanobis=9.0),
    "max_speed": replace(PLAIN, max_speed=0.2),
    "max_growth": replace(PLAIN, max_growth=1.15),
    "score_weight": replace(PLAIN, score_weight=1.0),
    "half score_weight": replace(PLAIN, score_weight=0.5),
    "momentum_weight": replace(PLAIN, momentum_weight=0.2),
    "unseen_weight": replace(PLAIN, unseen_weight=0.1),
    "limit": replace(PLAIN, limit=0.5),
    "margin": replace(PLAIN, margin=0.15),
    "appearance_weight": LOOKS,
    "appearance alone": replace(PLAIN, appearance_weight=1.0),
    "adaptive_weight": replace(LOOKS, adaptive_weight=0.5),
    "adaptive alone": replace(PLAIN, adaptive_weight=1.5),
    "least": replace(LOOKS, combine="least"),
    "max_appearance": replace(LOOKS, max_appearance=0.5),
    "appearance_overlap": replace(LOOKS, appearance_overlap=0.4),
    "least, gated": replace(LOOKS, combine="least", max_appearance=0.5, appearance_overlap=0.3),
    "need_appearance": replace(LOOKS, need_appearance=True),
    "need, gated": replace(LOOKS, need_appearance=True, appearance_overlap=0.2),
    "veto_distance": replace(PLAIN, veto_distance=0.4, min_overlap=0.3),
    "crowd_veto_distance": replace(PLAIN, crowd_veto_distance=0.4, min_overlap=0.3),
    "both vetoes": replace(LOOKS, veto_distance=0.7, crowd_veto_distance=0.4, min_overlap=0.2),
    "adaptive after vetoes": replace(LOOKS, adaptive_weight=0.5, min_overlap=0.3, max_growth=1.3),
    "all at once": StageConfig(
        min_score=0.2,
        overlap="height_iou",
        enlarge=0.1,
        min_overlap=0.05,
        appearance_weight=0.4,
        adaptive_weight=0.3,
        crowd_veto_distance=0.8,
        score_weight=0.3,
        momentum_weight=0.1,
        unseen_weight=0.05,
        max_mahalanobis=60.0,
        max_speed=2.0,
        max_growth=1.6,
        limit=0.9,
        margin=0.02,
    ),
}
SEEDS = range(8)


@cache
def scene_of(seed: int) -> tuple[Scene, TrackTable]:
    scene = make_scene(seed, tracks=2 + seed % 4, shown=5 - seed % 4)
    return scene, table_for(scene)


def assert_as_by_hand(stage: StageConfig, scene: Scene, table: TrackTable) -> None:
    """Who takes part, every cost, and that no other choice of pairs is cheaper."""
    expected = ByHand(stage, scene, table)
    found = outcome_of(stage, scene, table)
    if not expected.rows or not expected.columns:
        assert found is None
        return
    assert found is not None
    assert found.tracks.tolist() == expected.rows
    assert found.columns.tolist() == expected.columns
    np.testing.assert_allclose(found.cost, np.array(expected.cost), atol=2e-6)
    taken = [found.cost[i, j] for i, j in found.pairs]
    assert all(cost < stage.limit for cost in taken)
    assert len({i for i, _ in found.pairs}) == len({j for _, j in found.pairs}) == len(taken)
    best = cheapest_pairs(expected.cost, stage.limit)
    assert sum(taken) - len(taken) * stage.limit == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SETTINGS)
def test_costs_and_pairs_are_those_by_hand(name: str, seed: int) -> None:
    assert_as_by_hand(SETTINGS[name], *scene_of(seed))


CHOICES = {
    "min_score": [0.0, 0.4],
    "max_score": [math.inf, 0.7],
    "tracks": ["all", "confirmed", "tentative"],
    "max_unseen_s": [math.inf, 1.0],
    "place": ["predicted", "observed"],
    "overlap": ["iou", "height_iou"],
    "enlarge": [0.0, 0.2],
    "min_overlap": [0.0, 0.2],
    "appearance_weight": [0.0, 0.5, 1.0],
    "adaptive_weight": [0.0, 0.4],
    "combine": ["sum", "least"],
    "max_appearance": [math.inf, 0.6],
    "appearance_overlap": [0.0, 0.3],
    "veto_distance": [math.inf, 0.6],
    "crowd_veto_distance": [math.inf, 0.5],
    "need_appearance": [False, True],
    "score_weight": [0.0, 0.7],
    "momentum_weight": [0.0, 0.2],
    "unseen_weight": [0.0, 0.1],
    "max_mahalanobis": [math.inf, 20.0],
    "max_speed": [math.inf, 1.0],
    "max_growth": [math.inf, 1.3],
    "limit": [2.0, 0.6],
    "margin": [0.0, 0.1],
    "restart": [False, True],
}


@settings(max_examples=100, deadline=None)
@given(
    chosen=st.fixed_dictionaries({k: st.sampled_from(v) for k, v in CHOICES.items()}),
    seed=st.sampled_from(SEEDS),
)
def test_any_settings_together(chosen: dict[str, object], seed: int) -> None:
    assert_as_by_hand(StageConfig(**chosen), *scene_of(seed))  # type: ignore[arg-type]


def test_every_setting_is_among_those_that_are_tried() -> None:
    assert CHOICES.keys() == {field.name for field in fields(StageConfig)}


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in ("plain", "limit")])
def test_the_scenes_tell_the_settings_apart(name: str) -> None:
    """Otherwise the comparison above would say little."""
    stage = SETTINGS[name]
    base = LOOKS if stage.appearance_weight and stage != LOOKS else PLAIN
    differs = 0
    for seed in SEEDS:
        one, other = (ByHand(s, *scene_of(seed)) for s in (stage, base))
        differs += (one.rows, one.columns, one.cost) != (other.rows, other.columns, other.cost)
    assert differs >= 2


def test_terms_are_told_by_name() -> None:
    stage = replace(LOOKS, momentum_weight=0.2, max_mahalanobis=30.0)
    scene, table = scene_of(0)
    found, hand = outcome_of(stage, scene, table), ByHand(stage, scene, table)
    assert found is not None
    assert found.terms.keys() == {"overlap", "appearance", "momentum", "mahalanobis"}
    for i, r in enumerate(hand.rows):
        for j, c in enumerate(hand.columns):
            assert found.terms["overlap"][i, j] == pytest.approx(hand.overlap(r, c))
            assert found.terms["mahalanobis"][i, j] == pytest.approx(hand.mahalanobis(r, c))
            look, angle = found.terms["appearance"][i, j], found.terms["momentum"][i, j]
            assert look == pytest.approx(hand.looks[r, c], abs=1e-5, nan_ok=True)
            assert np.nan_to_num(angle) == pytest.approx(hand.momentum(r, c), abs=1e-6)
            assert np.isnan(angle) == (len(scene.tracks[r]) == 1)


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        (replace(PLAIN, min_overlap=0.3), "min_overlap"),
        (replace(PLAIN, max_mahalanobis=9.0), "max_mahalanobis"),
        (replace(PLAIN, max_speed=0.2), "max_speed"),
        (replace(PLAIN, max_growth=1.15), "max_growth"),
        (replace(LOOKS, need_appearance=True), "need_appearance"),
        (replace(PLAIN, veto_distance=0.3, crowd_veto_distance=0.3), "veto_distance"),
        (replace(PLAIN, margin=0.15), "margin"),
    ],
)
def test_vetoes_are_told_by_name(stage: StageConfig, name: str) -> None:
    """Exactly the pairs that cost infinity are under the one veto."""
    some = 0
    for seed in SEEDS:
        found = outcome_of(stage, *scene_of(seed))
        assert found is not None
        np.testing.assert_array_equal(found.vetoes[name], np.isinf(found.cost))
        some += int(found.vetoes[name].sum())
    assert some > 0
