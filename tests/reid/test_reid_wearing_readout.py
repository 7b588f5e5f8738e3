"""The read-out of vectors: probabilities, tracks, thresholds; against plain loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reid_builders import unit_rows

from reid.embeddings import Embeddings
from reid.errors import ReidError
from reid.wearing.questions import Question
from reid.wearing.readout import Readout, means_of

QUESTIONS = (Question("colour", ("red", "blue", "green")), Question("hat", ("no hat", "hat")))
DIM = 6


@pytest.fixture
def readout() -> Readout:
    rng = np.random.default_rng(4)
    return Readout(
        QUESTIONS,
        rng.normal(0, 3, (5, DIM)).astype(np.float32),
        rng.normal(0, 1, 5).astype(np.float32),
        np.array([0.4, 0.2, 0.2, 0.5, 0.3], np.float32),
        np.zeros(5, np.float32),
        "abc",
    )


def by_hand(readout: Readout, logits: list[float]) -> list[float]:
    """Softmax inside each question."""
    out: list[float] = []
    start = 0
    for question in readout.questions:
        part = [math.exp(x) for x in logits[start : start + len(question.options)]]
        out += [x / sum(part) for x in part]
        start += len(question.options)
    return out


def logits_by_hand(readout: Readout, vector: np.ndarray) -> list[float]:
    return [
        sum(float(w) * float(x) for w, x in zip(row, vector, strict=True)) + float(bias)
        for row, bias in zip(readout.weight, readout.bias, strict=True)
    ]


def test_probabilities(readout: Readout) -> None:
    vectors = unit_rows(np.random.default_rng(0), 7, DIM)
    expected = [by_hand(readout, logits_by_hand(readout, vector)) for vector in vectors]
    found = readout.probabilities(vectors)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found[:, :3].sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(found[:, 3:].sum(1), 1, atol=1e-6)


def test_stored_vectors_say_nearly_the_same(readout: Readout) -> None:
    vectors = unit_rows(np.random.default_rng(1), 50, DIM)
    stored = readout.probabilities(vectors.astype(np.float16))
    np.testing.assert_allclose(stored, readout.probabilities(vectors), atol=5e-3)


def test_huge_logits_do_not_overflow(readout: Readout) -> None:
    found = readout.probabilities(np.full((1, DIM), 1e4, np.float32))
    assert np.isfinite(found).all()


def test_tracks_are_the_mean_of_their_pictures_logits(readout: Readout) -> None:
    vectors = unit_rows(np.random.default_rng(2), 5, DIM)
    owner = np.array([1, 0, 1, 2, 1])
    found = readout.of_tracks(vectors, owner, 3)
    for track in range(3):
        rows = [logits_by_hand(readout, vectors[k]) for k in range(5) if owner[k] == track]
        mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        np.testing.assert_allclose(found[track], by_hand(readout, mean), atol=1e-6)


def test_no_pictures(readout: Readout) -> None:
    assert readout.probabilities(np.empty((0, DIM), np.float32)).shape == (0, 5)


def test_means() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 5.0]])
    found = means_of(rows, np.array([1, 1, 0]), 2)
    np.testing.assert_allclose(found, [[5, 5], [2, 4]])


def embeddings(fingerprint: str) -> Embeddings:
    none = np.zeros((2, 1, 1), np.float32)
    vectors = unit_rows(np.random.default_rng(3), 2, DIM)
    return Embeddings(vectors, none, none[:, :, 0], fingerprint)


def test_reads_vectors_of_its_own_model_alone(readout: Readout) -> None:
    found = embeddings("abc")
    np.testing.assert_array_equal(readout.read(found), readout.probabilities(found.global_features))
    with pytest.raises(ReidError, match=r"attributes of model abc .* vectors of model xyz"):
        readout.read(embeddings("xyz"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), [True, True, True]),
        (("red",), [True, False, False]),
        (("blue",), [True, True, False]),
        (("hat",), [False, True, True]),
        (("blue", "hat"), [False, True, False]),
    ],
)
def test_filters(readout: Readout, options: tuple[str, ...], expected: list[bool]) -> None:
    probabilities = np.array(
        [[0.4, 0.3, 0.3, 0.9, 0.1], [0.1, 0.8, 0.1, 0.7, 0.3], [0.3, 0.1, 0.6, 0.1, 0.9]],
        np.float32,
    )
    assert readout.passes(probabilities, options).tolist() == expected


def test_an_unknown_option(readout: Readout) -> None:
    with pytest.raises(ReidError, match="golden: not an attribute of this model: red, blue"):
        readout.rows(("red", "golden"))
    assert readout.rows(("hat", "red")) == [4, 0]
