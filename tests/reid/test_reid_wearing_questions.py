"""Questions about clothing: which annotated columns answer them, and which are asked at all."""

from __future__ import annotations

import numpy as np
import pytest

from reid.data.attributes import ATTRIBUTES
from reid.errors import ReidError
from reid.wearing.questions import QUESTIONS, UNKNOWN, Question, answers_of, common_enough

NAMES = [question.name for question in QUESTIONS]


def row(*owned: str) -> np.ndarray:
    """(1, A) of somebody who has these annotated attributes alone."""
    return np.array([[float(name in owned) for name in ATTRIBUTES]], np.float32)


def test_every_annotated_attribute_is_asked_for_and_nothing_else() -> None:
    options = [option for question in QUESTIONS for option in question.options]
    assert len(set(options)) == len(options)
    answered = set()
    for name in ATTRIBUTES:
        changed = answers_of(row(name))[0] != answers_of(row())[0]
        assert changed.sum() == 1, name
        answered.add(NAMES[int(changed.argmax())])
    assert answered == set(NAMES)
    for word in ("age", "gender", "hair", "face"):
        assert not any(word in text for text in [*options, *NAMES])


@pytest.mark.parametrize(
    ("owned", "question", "option"),
    [
        (["upred"], "upper colour", "red upper"),
        (["downblue", "upred"], "lower colour", "blue lower"),
        (["downpink"], "lower colour", "pink lower"),
        ([], "sleeves", "long sleeves"),
        (["up"], "sleeves", "short sleeves"),
        (["down"], "lower length", "short lower"),
        ([], "lower kind", "skirt"),
        (["clothes"], "lower kind", "trousers"),
        (["backpack"], "backpack", "backpack"),
        ([], "bag", "no bag"),
        (["handbag"], "handbag", "handbag"),
        (["hat"], "hat", "hat"),
        ([], "upper colour", None),
        (["upred", "upblue"], "upper colour", None),
    ],
)
def test_answers(owned: list[str], question: str, option: str | None) -> None:
    place = NAMES.index(question)
    answer = int(answers_of(row(*owned))[0, place])
    expected = UNKNOWN if option is None else QUESTIONS[place].options.index(option)
    assert answer == expected


def test_columns_may_be_in_any_order() -> None:
    order = list(reversed(range(len(ATTRIBUTES))))
    values = np.vstack([row("upred", "hat"), row("downgray")])
    columns = [ATTRIBUTES[k] for k in order]
    np.testing.assert_array_equal(
        answers_of(values[:, order], QUESTIONS, columns), answers_of(values)
    )


def test_the_answer_that_was_not_learned_is_unknown() -> None:
    fewer = (Question("upper colour", ("red upper", "blue upper")),)
    found = answers_of(np.vstack([row("upblue"), row("upgreen")]), fewer)
    assert found.tolist() == [[1], [UNKNOWN]]


def test_an_option_without_annotation() -> None:
    with pytest.raises(
        ReidError, match="upper colour: the annotation does not know 'golden upper'"
    ):
        answers_of(row(), (Question("upper colour", ("red upper", "golden upper")),))
    with pytest.raises(ReidError, match="hat: the annotation does not know 'no hat'"):
        answers_of(np.zeros((1, 1), np.float32), (Question("hat", ("no hat", "hat")),), ["bag"])


def test_options_of_few_people_are_left_out() -> None:
    questions = (Question("a", ("x", "y", "z")), Question("b", ("p", "q")))
    identities = np.array([1, 1, 1, 2, 3, 4, 5])
    answers = np.array([[0, 0], [0, 0], [0, 0], [1, 0], [1, 0], [2, 1], [2, UNKNOWN]])
    assert common_enough(answers, identities, questions, 1) == questions
    assert common_enough(answers, identities, questions, 2) == (Question("a", ("y", "z")),)
    assert common_enough(answers, identities, questions, 3) == ()
