"""Galleries of tracks: their size, whom they forget, and every distance by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from by_hand import aligned_by_hand, dot
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_builders import FINGERPRINT, embeddings, unit

from reid.embeddings import Embeddings
from trackers.appearance import ALIGNED_SCALE, AppearanceConfig, Gallery

FIRST = np.array([0])


def some(count: int, seed: int = 0) -> Embeddings:
    rng = np.random.default_rng(seed)
    return embeddings([(unit(rng, 16), unit(rng, 3, 8)) for _ in range(count)])


def cut(batch: Embeddings, rng: np.random.Generator) -> Embeddings:
    """The same bodies, of which parts are hidden."""
    seen = rng.choice([0.0, 0.5, 1.0], batch.part_visibility.shape).astype(np.float32)
    return Embeddings(batch.global_features, batch.part_features, seen, FINGERPRINT)


def filled(
    batch: Embeddings, config: AppearanceConfig, owners: list[list[int]] | None = None
) -> Gallery:
    """A gallery whose track k has seen rows `owners[k]`; by default one has seen all."""
    owners = [list(range(len(batch)))] if owners is None else owners
    gallery = Gallery(config)
    gallery.add_rows(len(owners))
    for track, rows in enumerate(owners):
        for row in rows:
            gallery.add(track, batch, row, 0.9)
    return gallery


def remembered(gallery: Gallery, batch: Embeddings, row: int = 0) -> list[int]:
    """Which embeddings of a batch a track's gallery holds, found by their distance of 0."""
    found = []
    for slot in range(int(gallery.counts[row])):
        exemplar = gallery._whole[row, slot]
        same = np.flatnonzero((batch.global_features == exemplar).all(1))
        assert len(same) == 1
        np.testing.assert_array_equal(gallery._parts[row, slot], batch.part_features[same[0]])
        np.testing.assert_array_equal(gallery._seen[row, slot], batch.part_visibility[same[0]])
        found.append(int(same[0]))
    return found


def distance_by_hand(
    exemplars: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    probes: Embeddings,
    n: int,
    share: float,
) -> float:
    """To the exemplar of the smallest cosine distance."""
    other = probes.global_features[n]
    whole, parts, seen = min(exemplars, key=lambda e: -dot(e[0], other))
    aligned = aligned_by_hand(
        parts, probes.part_features[n], seen.tolist(), probes.part_visibility[n].tolist()
    )
    aligned = ALIGNED_SCALE if math.isnan(aligned) else aligned
    return (1 - share) * (1 - dot(whole, other)) + share * aligned / ALIGNED_SCALE


def test_a_gallery_is_bounded() -> None:
    gallery = filled(some(50), AppearanceConfig(bank_size=4))
    assert gallery.counts.tolist() == [4]
    assert len(remembered(gallery, some(50))) == 4


def test_a_familiar_view_replaces_its_like_and_a_new_view_the_oldest() -> None:
    batch = some(4, seed=3)
    gallery = filled(batch, AppearanceConfig(bank_size=3), [[0, 1, 2]])
    gallery.add(0, batch, 1, 0.9)
    assert remembered(gallery, batch) == [0, 2, 1]
    gallery.add(0, batch, 3, 0.9)
    assert remembered(gallery, batch) == [2, 1, 3]


@settings(max_examples=40, deadline=None)
@given(
    shown=st.lists(st.integers(0, 8), min_size=1, max_size=25),
    size=st.integers(1, 4),
    novelty=st.sampled_from([1e-3, 0.12, 0.5, 2.0]),
)
def test_whom_a_gallery_remembers_by_hand(shown: list[int], size: int, novelty: float) -> None:
    """Nine views, of which three each are alike; a list plays the gallery."""
    rng = np.random.default_rng(5)
    views = np.repeat(unit(rng, 3, 16), 3, 0) + rng.normal(0, 0.05, (9, 16))
    whole = (views / np.linalg.norm(views, axis=1, keepdims=True)).astype(np.float32)
    batch = Embeddings(whole, unit(rng, 9, 3, 8), np.ones((9, 3), np.float32), FINGERPRINT)
    memory: list[int] = []
    for view in shown:
        if len(memory) == size:
            apart = [1 - dot(whole[old], whole[view]) for old in memory]
            nearest = apart.index(min(apart))
            memory.pop(nearest if apart[nearest] < novelty else 0)
        memory.append(view)
    gallery = filled(batch, AppearanceConfig(bank_size=size, novelty=novelty), [shown])
    assert remembered(gallery, batch) == memory


@pytest.mark.parametrize("part_weight", [0.0, 0.4, 1.0])
def test_distance_is_that_of_the_best_exemplar(part_weight: float) -> None:
    config = AppearanceConfig(part_weight=part_weight)
    exemplars, probes = some(5, seed=1), some(3, seed=2)
    gallery = filled(exemplars, config, [[0, 1], [2, 3, 4]])
    found = gallery.distances(np.array([0, 1]), probes)
    assert found.shape == (2, 3)
    assert found.dtype == np.float32
    for m, rows in enumerate(([0, 1], [2, 3, 4])):
        own = [(exemplars.global_features[r], exemplars.part_features[r], np.ones(3)) for r in rows]
        for n in range(3):
            expected = distance_by_hand(own, probes, n, part_weight)
            assert found[m, n] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_distances_of_bodies_that_are_partly_hidden(seed: int) -> None:
    rng = np.random.default_rng(seed)
    config = AppearanceConfig(part_weight=0.6)
    exemplars, probes = cut(some(6, seed), rng), cut(some(4, seed + 100), rng)
    owners = [[0, 1], [2], [3, 4, 5]]
    found = filled(exemplars, config, owners).distances(np.array([2, 0, 1]), probes)
    for m, track in enumerate((2, 0, 1)):
        own = [
            (
                exemplars.global_features[r],
                exemplars.part_features[r],
                exemplars.part_visibility[r],
            )
            for r in owners[track]
        ]
        for n in range(4):
            expected = distance_by_hand(own, probes, n, 0.6)
            assert found[m, n] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("trust", [1.0, 0.6, 0.0])
def test_the_average_by_hand(trust: float) -> None:
    """The share that is kept is `momentum` at confidence 1, and 1 at the trusted confidence."""
    config = AppearanceConfig(memory="average", momentum=0.8, trust_score=trust, part_weight=0.3)
    rng = np.random.default_rng(1)
    batch, probes = cut(some(6, seed=4), rng), some(3, seed=5)
    scores = [0.7, 1.0, 0.9, 0.65, 0.3, 0.8]
    gallery = Gallery(config)
    gallery.add_rows(1)
    whole = batch.global_features[0].astype(float)
    parts = batch.part_features[0].astype(float)
    for row, score in enumerate(scores):
        gallery.add(0, batch, row, score)
        if row:
            keep = 0.8
            if trust < 1:
                sure = max(score - trust, 0.0) / (1 - trust)
                keep = 0.8 + (1 - 0.8) * (1 - sure)
            whole = keep * whole + (1 - keep) * batch.global_features[row]
            whole = whole / math.sqrt(dot(whole, whole))
            for k in range(3):
                parts[k] = keep * parts[k] + (1 - keep) * batch.part_features[row, k]
                parts[k] = parts[k] / math.sqrt(dot(parts[k], parts[k]))
        assert gallery.counts.tolist() == [1]
        found = gallery.distances(FIRST, probes)
        own = [(whole, parts, batch.part_visibility[row])]
        for n in range(3):
            assert found[0, n] == pytest.approx(distance_by_hand(own, probes, n, 0.3), abs=1e-5)


def test_faint_sights_change_a_trusting_average_not_at_all() -> None:
    config = AppearanceConfig(memory="average", momentum=0.5, trust_score=0.6, part_weight=0.0)
    batch = some(2)
    gallery = Gallery(config)
    gallery.add_rows(1)
    gallery.add(0, batch, 0, 0.9)
    before = gallery.distances(FIRST, batch)
    gallery.add(0, batch, 1, 0.6)
    np.testing.assert_allclose(gallery.distances(FIRST, batch), before, atol=1e-6)
    gallery.add(0, batch, 1, 0.7)
    assert gallery.distances(FIRST, batch)[0, 1] < before[0, 1] - 0.01


def test_a_track_without_exemplar_knows_nothing() -> None:
    config = AppearanceConfig()
    gallery = filled(some(2), config, [[], [0, 1], []])
    found = gallery.distances(np.arange(3), some(3))
    assert np.isnan(found[[0, 2]]).all()
    assert np.isfinite(found[1]).all()
    empty = filled(some(1), config, [[]])
    assert np.isnan(empty.distances(FIRST, some(2))).all()
    assert empty.distances(FIRST[:0], some(2)).shape == (0, 2)
    one = filled(some(1), config)
    assert one.distances(FIRST, some(1)[slice(0, 0)]).shape == (1, 0)


def test_only_wanted_pairs_are_compared() -> None:
    config = AppearanceConfig()
    gallery, probes = filled(some(4), config, [[0, 1], [2], [3]]), some(3, seed=9)
    wanted = np.array([[True, False, True], [False, False, False], [False, True, True]])
    every, found = (gallery.distances(np.arange(3), probes, w) for w in (None, wanted))
    np.testing.assert_array_equal(found[wanted], every[wanted])
    assert np.isnan(found[~wanted]).all()


def test_bodies_without_a_common_part_count_as_far_apart() -> None:
    batch = some(1)
    hidden = Embeddings(
        batch.global_features, batch.part_features, np.zeros((1, 3), np.float32), FINGERPRINT
    )
    gallery = filled(batch, AppearanceConfig(part_weight=0.5))
    assert gallery.distances(FIRST, batch)[0, 0] < 0.3
    assert gallery.distances(FIRST, hidden)[0, 0] == pytest.approx(0.5, abs=1e-3)


def test_rows_are_added_and_dropped() -> None:
    batch = some(4)
    gallery = filled(batch, AppearanceConfig(), [[0], [1, 2], [3]])
    gallery.keep(np.array([True, False, True]))
    gallery.add_rows(1)
    assert gallery.counts.tolist() == [1, 1, 0]
    gallery.add(2, batch, 1, 0.9)
    assert [remembered(gallery, batch, row) for row in range(3)] == [[0], [3], [1]]
    gallery.keep(np.zeros(3, np.bool_))
    assert len(gallery) == 0
    gallery.add_rows(1)
    assert gallery.counts.tolist() == [0]
