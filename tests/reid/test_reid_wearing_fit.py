"""Fitting a read-out: loss and gradient, folds, calibration, thresholds, and that it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reid_builders import unit_rows

from reid.data.attributes import ATTRIBUTES
from reid.errors import ReidError
from reid.wearing.fit import (
    Examples,
    FitSettings,
    balanced_loss,
    calibrate,
    fit_readout,
    folds_of,
    tracks_of,
)
from reid.wearing.measure import held_out_scores, scores_of
from reid.wearing.questions import UNKNOWN

PARTS = (slice(0, 3), slice(3, 5))
ANSWERS = [[0, 1], [0, 0], [0, 0], [1, UNKNOWN], [UNKNOWN, 0]]
"""Nobody answers the first question with its third option."""
FEW = FitSettings(folds=3, ridges=(0.1, 1.0), least_identities=4)


def loss_by_hand(logits: list[list[float]], answers: list[list[int]]) -> float:
    """Each option that occurs weighs 1 / (options that occur), shared among its pictures."""
    total = 0.0
    for question, part in enumerate(PARTS):
        known = [k for k, row in enumerate(answers) if row[question] != UNKNOWN]
        occurring = {answers[k][question] for k in known}
        for option in occurring:
            having = [k for k in known if answers[k][question] == option]
            for k in having:
                scores = logits[k][part]
                log_p = scores[option] - math.log(sum(math.exp(s) for s in scores))
                total -= log_p / len(having) / len(occurring)
    return total


def test_the_loss_is_balanced() -> None:
    logits = torch.randn(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = balanced_loss(logits, torch.tensor(ANSWERS), PARTS)
    assert float(found) == pytest.approx(loss_by_hand(logits.tolist(), ANSWERS), rel=1e-12)


def test_repeating_a_frequent_answer_changes_nothing() -> None:
    logits = torch.randn(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rows = [0, 1, 2, 3, 4, 0, 1, 2]
    known = torch.tensor(ANSWERS)
    known[:, 1] = UNKNOWN
    once = balanced_loss(logits, known, PARTS)
    assert float(balanced_loss(logits[rows], known[rows], PARTS)) == pytest.approx(float(once))


def test_the_losss_gradient() -> None:
    logits = torch.randn(5, 5, dtype=torch.float64, requires_grad=True)
    answers = torch.tensor(ANSWERS)
    assert torch.autograd.gradcheck(lambda x: balanced_loss(x, answers, PARTS), logits)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=20, max_size=60), st.integers(0, 5))
def test_a_person_is_in_one_fold(people: list[int], seed: int) -> None:
    identities = np.array(people)
    count = len(set(people))
    if count < 3:
        with pytest.raises(ReidError, match=f"{count} people cannot be cut into 3 parts"):
            folds_of(identities, 3, seed)
        return
    fold = folds_of(identities, 3, seed)
    pairs = set(zip(people, fold.tolist(), strict=True))
    assert len(pairs) == count
    sizes = np.bincount([f for _, f in pairs], minlength=3)
    assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(fold, folds_of(identities, 3, seed))


def test_tracks() -> None:
    owner, first = tracks_of(np.array([7, 7, 2, 7, 2]), np.array([1, 2, 1, 1, 1]))
    assert owner.tolist() == [1, 2, 0, 1, 0]
    assert first.tolist() == [2, 0, 1]


def test_calibration_undoes_a_wrong_scale_and_shift() -> None:
    """Answers drawn from known probabilities: the fit finds the logits that they came from."""
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 40_000)
    answers = (rng.random(len(true)) < 1 / (1 + np.exp(-true))).astype(np.int64)
    logits = np.stack([np.zeros_like(true), true / 4 + 1.5], 1)
    scale, shift = calibrate(logits, answers[:, None], (slice(0, 2),))
    found = (logits * scale + shift)[:, 1] - (logits * scale + shift)[:, 0]
    assert scale[0] == scale[1]
    assert scale[0] == pytest.approx(4, rel=0.05)
    np.testing.assert_allclose(found, true, atol=0.35)


def world(seed: int, people: int = 60, dim: int = 12, noise: float = 0.25) -> Examples:
    """People whose vectors say whether they have a backpack (a third), and their colours."""
    rng = np.random.default_rng(seed)
    directions = unit_rows(np.random.default_rng(99), 4, dim)
    values = np.zeros((people, len(ATTRIBUTES)), np.float32)
    values[:, ATTRIBUTES.index("backpack")] = np.arange(people) % 3 == 0
    colour = np.arange(people) % 4
    for number, name in enumerate(("upred", "upblue", "upgreen")):
        values[:, ATTRIBUTES.index(name)] = colour == number
    centre = (
        directions[np.minimum(colour, 2)] * (colour < 3)[:, None]
        + directions[3] * (2 * values[:, :1] - 1)
    )  # fmt: skip
    rows = np.repeat(np.arange(people), 6)
    vectors = centre[rows] + rng.normal(0, noise, (len(rows), dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cameras = np.tile([1, 1, 1, 2, 2, 2], people)
    return Examples(vectors.astype(np.float32), values[rows], rows + 1, cameras, "abc")


def test_it_learns_what_the_vectors_say() -> None:
    fitted = fit_readout(world(0), FEW)
    assert [q.name for q in fitted.readout.questions] == ["upper colour", "backpack"]
    assert fitted.readout.options[:3] == ("red upper", "blue upper", "green upper")
    assert fitted.balanced[fitted.ridge] == max(fitted.balanced.values())
    other = world(1)
    found = scores_of(fitted.readout, other)
    colour, backpack = found.questions
    assert colour.balanced > 85
    assert backpack.balanced > 85
    assert colour.majority == pytest.approx(100 / 3)
    assert backpack.majority == pytest.approx(100 * 2 / 3)
    assert (found.people, found.tracks, found.pictures) == (60, 120, 360)


def test_held_out_scores_are_not_of_what_was_learned_by_heart() -> None:
    """Vectors that say nothing: fits know their own people, and no others."""
    rng = np.random.default_rng(5)
    plain = world(0, people=48)
    vectors = unit_rows(rng, 48, 200)[plain.identities - 1]
    examples = Examples(vectors, plain.values, plain.identities, plain.cameras, "abc")
    fitted = fit_readout(examples, FitSettings(folds=3, ridges=(1e-4,), least_identities=4))
    own = scores_of(fitted.readout, examples).questions[1].balanced
    held = held_out_scores(fitted, examples).questions[1].balanced
    assert own > 95
    assert held < 75


def test_thresholds_keep_nine_of_ten_tracks_that_have_it() -> None:
    examples = world(0, people=120, noise=1.0)
    fitted = fit_readout(examples, FEW)
    found = held_out_scores(fitted, examples)
    for row, option in enumerate(found.options):
        assert 90 <= option.kept < 92
        assert 100 * fitted.readout.let_pass[row] == pytest.approx(option.let_pass, abs=0.01)
        assert option.let_pass < 80


def test_the_seed_decides() -> None:
    one, same = (fit_readout(world(0), FEW).readout for _ in range(2))
    np.testing.assert_array_equal(one.weight, same.weight)
    other = fit_readout(world(0), FitSettings(1, 3, (0.1, 1.0), 0.9, 4)).readout
    assert not np.array_equal(one.thresholds, other.thresholds)


def test_progress_is_told() -> None:
    told: list[int] = []
    fit_readout(world(0), FEW, told.append)
    assert told == list(range(1, 8))


def test_nothing_to_learn() -> None:
    plain = world(0)
    values = np.zeros_like(plain.values)
    examples = Examples(plain.features, values, plain.identities, plain.cameras, "abc")
    with pytest.raises(ReidError, match="no attribute has two answers of 4 people each"):
        fit_readout(examples, FEW)


def test_vectors_of_another_model_are_not_scored() -> None:
    readout = fit_readout(world(0), FEW).readout
    plain = world(1)
    other = Examples(plain.features, plain.values, plain.identities, plain.cameras, "xyz")
    with pytest.raises(ReidError, match="vectors of model xyz, not abc"):
        scores_of(readout, other)
