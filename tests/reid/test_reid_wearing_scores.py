"""Scores of attributes, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reid.wearing.questions import UNKNOWN, Question
from reid.wearing.readout import Readout
from reid.wearing.scores import f1_score, mean_recall, option_scores, question_scores

HAT = Question("hat", ("no hat", "hat"))
COLOUR = Question("colour", ("red", "blue", "green"))


def certain(given: list[int], options: int) -> np.ndarray:
    """(N, K) probabilities that speak for these answers."""
    out = np.full((len(given), options), 0.1, np.float32)
    out[np.arange(len(given)), given] = 0.8
    return out


def test_a_rare_answer_that_is_never_given() -> None:
    """Accuracy is that of the majority; balanced accuracy and F1 say that nothing was learned."""
    found = question_scores(HAT, np.array([0] * 9 + [1]), certain([0] * 10, 2))
    assert found.accuracy == found.majority == pytest.approx(90)
    assert found.balanced == pytest.approx(50)
    assert found.f1 == 0


def test_two_options() -> None:
    answers = np.array([0, 0, 0, 0, 0, 1, 1, 1, UNKNOWN])
    found = question_scores(HAT, answers, certain([0, 0, 0, 1, 1, 1, 1, 0, 1], 2))
    assert found.pictures == 8
    assert found.majority == pytest.approx(62.5)
    assert found.accuracy == pytest.approx(100 * 5 / 8)
    assert found.balanced == pytest.approx(100 * (3 / 5 + 2 / 3) / 2)
    assert found.f1 == pytest.approx(100 * 4 / 7), "of hat: 2 right, 2 wrongly given, 1 missed"


def test_f1_is_of_the_rarer_answer_even_if_it_is_the_first() -> None:
    found = question_scores(HAT, np.array([0, 1, 1, 1]), certain([0, 1, 1, 0], 2))
    assert found.f1 == pytest.approx(100 * 2 / 3)


def test_more_options() -> None:
    """A colour that nobody wears has no recall and no F1, and counts in neither mean."""
    answers = np.array([0, 0, 0, 2, UNKNOWN])
    found = question_scores(COLOUR, answers, certain([0, 0, 1, 2, 1], 3))
    assert found.accuracy == pytest.approx(75)
    assert found.balanced == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert found.f1 == pytest.approx(100 * (4 / 5 + 1) / 2)


@pytest.mark.parametrize(
    ("answers", "given", "option", "expected"),
    [
        ([1, 1, 0, 0], [1, 0, 1, 0], 1, 0.5),
        ([1, 1], [1, 1], 1, 1.0),
        ([0, 0], [1, 0], 1, 0.0),
    ],
)
def test_f1(answers: list[int], given: list[int], option: int, expected: float) -> None:
    assert f1_score(np.array(answers), np.array(given), option) == pytest.approx(expected)


def test_mean_recall_of_nothing() -> None:
    assert np.isnan(mean_recall(np.array([], np.int64), np.array([], np.int64), 3))


def test_options() -> None:
    readout = Readout(
        (COLOUR,),
        np.zeros((3, 2), np.float32),
        np.zeros(3, np.float32),
        np.array([0.5, 0.2, 0.9], np.float32),
        np.zeros(3, np.float32),
        "",
    )
    answers = np.array([[0], [0], [1], [UNKNOWN]])
    probabilities = certain([0, 1, 1, 0], 3)
    tracks = np.array([[0], [1], [1], [UNKNOWN]])
    of_tracks = np.array(
        [[0.5, 0.5, 0.0], [0.6, 0.1, 0.3], [0.1, 0.3, 0.6], [0.9, 0.1, 0.0]], np.float32
    )
    red, blue, green = (
        score.as_dict()
        for score in option_scores(readout, answers, probabilities, tracks, of_tracks)
    )
    assert red == {
        "option": "red",
        "share": 66.67,
        "recall": 50.0,
        "precision": 100.0,
        "kept": 100.0,
        "let_pass": 50.0,
    }
    assert (blue["recall"], blue["precision"]) == (100.0, 50.0)
    assert (blue["kept"], blue["let_pass"]) == (50.0, 100.0)
    assert (green["share"], green["recall"], green["precision"], green["kept"]) == (
        0,
        None,
        None,
        None,
    )
