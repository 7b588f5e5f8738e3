"""Banks of exemplars: their size, whom they forget, and the distance by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tracker_builders import embeddings, unit

from reid.embeddings import Embeddings
from trackers.appearance import ALIGNED_SCALE, AppearanceConfig, Bank, bank_distances


def some(count: int, seed: int = 0) -> Embeddings:
    rng = np.random.default_rng(seed)
    return embeddings([(unit(rng, 16), unit(rng, 3, 8)) for _ in range(count)])


def single(batch: Embeddings, row: int) -> Embeddings:
    return batch[slice(row, row + 1)]


def filled(batch: Embeddings, config: AppearanceConfig) -> Bank:
    bank = Bank()
    for row in range(len(batch)):
        bank.add(single(batch, row), config)
    return bank


def aligned_by_hand(a: np.ndarray, b: np.ndarray) -> float:
    """Cheapest path through tanh(||f - g|| / 2), over 2P - 1 steps, trying every path."""
    cost = np.tanh(np.linalg.norm(a[:, None] - b[None], axis=-1) / 2)

    def walk(i: int, j: int) -> float:
        if i == j == 0:
            return float(cost[0, 0])
        before = [walk(i - 1, j)] if i else []
        before += [walk(i, j - 1)] if j else []
        return min(before) + float(cost[i, j])

    return walk(len(a) - 1, len(b) - 1) / (2 * len(a) - 1)


def test_a_bank_is_bounded() -> None:
    bank = filled(some(50), AppearanceConfig(bank_size=4))
    assert len(bank) == len(bank.part_features) == len(bank.visibility) == 4


def test_a_familiar_view_replaces_its_like_and_a_new_view_the_oldest() -> None:
    config = AppearanceConfig(bank_size=3)
    batch = some(4, seed=3)
    first, second, third, fourth = batch.global_features
    bank = filled(batch[slice(0, 3)], config)
    bank.add(single(batch, 1), config)
    assert np.array_equal(np.stack(bank.global_features), np.stack([first, third, second]))
    assert np.array_equal(bank.part_features[2], batch.part_features[1])
    bank.add(single(batch, 3), config)
    assert np.array_equal(np.stack(bank.global_features), np.stack([third, second, fourth]))


@pytest.mark.parametrize("part_weight", [0.0, 0.4, 1.0])
def test_distance_is_that_of_the_best_exemplar(part_weight: float) -> None:
    config = AppearanceConfig(part_weight=part_weight)
    exemplars, probes = some(5, seed=1), some(3, seed=2)
    banks = [filled(exemplars[slice(0, 2)], config), filled(exemplars[slice(2, 5)], config)]
    found = bank_distances(banks, probes, config)
    assert found.shape == (2, 3)
    assert found.dtype == np.float32
    for m, rows in enumerate(([0, 1], [2, 3, 4])):
        for n in range(3):
            by_hand = [
                (1 - part_weight)
                * (1 - float(exemplars.global_features[r] @ probes.global_features[n]))
                + part_weight
                * aligned_by_hand(exemplars.part_features[r], probes.part_features[n])
                / ALIGNED_SCALE
                for r in rows
            ]
            assert found[m, n] == pytest.approx(min(by_hand), abs=1e-5)


def test_an_empty_bank_knows_nothing() -> None:
    config = AppearanceConfig()
    found = bank_distances([Bank(), filled(some(2), config), Bank()], some(3), config)
    assert np.isnan(found[[0, 2]]).all()
    assert np.isfinite(found[1]).all()
    assert np.isnan(bank_distances([Bank()], some(2), config)).all()
    assert bank_distances([], some(2), config).shape == (0, 2)
    assert bank_distances([filled(some(1), config)], some(1)[slice(0, 0)], config).shape == (1, 0)


def test_bodies_without_a_common_part_count_as_far_apart() -> None:
    batch = some(1)
    hidden = Embeddings(
        batch.global_features, batch.part_features, np.zeros((1, 3), np.float32), "made-up"
    )
    config = AppearanceConfig(part_weight=0.5)
    bank = filled(batch, config)
    assert bank_distances([bank], batch, config)[0, 0] < 0.3
    assert bank_distances([bank], hidden, config)[0, 0] == pytest.approx(0.5, abs=1e-3)
