"""A read-out of moved vectors: the normal equations by hand, and that it says the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reid_builders import TINY, TINY_HW, person, tiny_model, tiny_weights, unit_rows

import reid.inference
from reid.inference import Embedder
from reid.site_adaptation import adapt_batch_statistics
from reid.wearing.carry import carry_readout, translated
from reid.wearing.file import load_readout, write_readout
from reid.wearing.questions import Question
from reid.wearing.readout import Readout
from reid.weights_file import load_weights, save_weights

QUESTIONS = (Question("hat", ("no hat", "hat")), Question("colour", ("red", "blue", "green")))


def readout_of(dim: int, fingerprint: str = "old") -> Readout:
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 3, (5, dim)).astype(np.float32)
    rows = (rng.random(5).astype(np.float32) for _ in range(3))
    return Readout(QUESTIONS, weight, *rows, fingerprint)


def test_the_gradient_is_zero_where_it_ends() -> None:
    """d/dD of |L - M - X D' - c|^2 + ridge W |D|^2, and d/dc, in float64."""
    rng = np.random.default_rng(1)
    before, after = unit_rows(rng, 30, 6), unit_rows(rng, 30, 6)
    readout, ridge = readout_of(6), 0.7
    found = translated(readout, before, after, "new", ridge)
    wanted = readout.logits(before).astype(np.float64)
    centre = after.astype(np.float64).mean(0)
    scaled = [(row - centre) * 6**0.5 for row in after.astype(np.float64)]
    change = (found.weight.astype(np.float64) - readout.weight) / 6**0.5
    gradient, rest = np.zeros((5, 6)), np.zeros(5)
    for row, vector in enumerate(scaled):
        error = found.logits(after)[row] - wanted[row]
        gradient += np.outer(error, vector)
        rest += error
    np.testing.assert_allclose(gradient + ridge * 6 * change, 0, atol=2e-4)
    np.testing.assert_allclose(rest, 0, atol=2e-4)
    assert found.fingerprint == "new"
    np.testing.assert_array_equal(found.thresholds, readout.thresholds)


def test_moved_vectors_say_the_same_of_others() -> None:
    """Everybody moved by the same amount and then put back to length 1, as statistics do."""
    rng = np.random.default_rng(2)
    before = unit_rows(rng, 400, 12)
    after = before - 0.6 * unit_rows(np.random.default_rng(3), 12)
    after = (after / np.linalg.norm(after, axis=1, keepdims=True)).astype(np.float32)
    readout = readout_of(12)
    truth = readout.probabilities(before)[200:]
    found = translated(readout, before[:200], after[:200], "new", 0.1).probabilities(after)[200:]
    taken_over = readout.probabilities(after)[200:]
    assert np.abs(found - truth).mean() < 0.5 * np.abs(taken_over - truth).mean()


def test_the_same_vectors_change_nothing() -> None:
    vectors = unit_rows(np.random.default_rng(4), 10, 6)
    found = translated(readout_of(6), vectors, vectors, "new")
    np.testing.assert_array_equal(found.weight, readout_of(6).weight)
    np.testing.assert_array_equal(found.bias, readout_of(6).bias)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A tiny network, and the same with the batch statistics of a site; both run in torch."""
    monkeypatch.setattr(
        reid.inference, "OpenVinoRunner", lambda model, *_: reid.inference._TorchRunner(model)
    )
    plain = tiny_weights(tmp_path / "plain.safetensors")
    pictures = np.random.default_rng(0).normal(0.5, 2, (96, 3, *TINY_HW)).astype(np.float32)
    site = tmp_path / "site.safetensors"
    save_weights(adapt_batch_statistics(tiny_model(), pictures), TINY, TINY_HW, site)
    return plain, site


def test_into_a_file(files: tuple[Path, Path]) -> None:
    plain, site = files
    fingerprint = load_weights(site)[2]
    write_readout(plain, readout_of(16, load_weights(plain)[2]), plain)
    crops = [person(k, 0) for k in range(40)]
    carry_readout(plain, site, crops)
    assert load_weights(site)[2] == fingerprint != load_weights(plain)[2]
    teacher, student = Embedder(plain), Embedder(site)
    assert teacher.readout is not None
    assert student.readout is not None
    assert student.readout.fingerprint == fingerprint
    told, found = (e.readout.read(e.embed(crops)) for e in (teacher, student))  # type: ignore[union-attr]
    over = teacher.readout.probabilities(student.embed(crops).global_features)
    assert np.abs(told - found).mean() < np.abs(told - over).mean()


def test_nothing_to_carry(files: tuple[Path, Path]) -> None:
    plain, site = files
    before = site.read_bytes()
    carry_readout(plain, site, [person(1, 0)])
    assert site.read_bytes() == before
    assert load_readout(site, "") is None
