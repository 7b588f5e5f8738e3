"""The questions about clothing and belongings that a picture answers, each with its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid.data.attributes import ATTRIBUTES
from reid.errors import ReidError

UNKNOWN = -1
"""The answer of people whose annotation fits none of a question's options, or several."""


@dataclass(frozen=True)
class Question:
    """One question; exactly one of the options is the answer.

    Attributes:
        name: such as "upper colour".
        options: words that name one thing in all questions, such as "red upper".
    """

    name: str
    options: tuple[str, ...]


_UPPER = ("black", "white", "red", "purple", "yellow", "gray", "blue", "green")
_LOWER = ("black", "white", "pink", "purple", "yellow", "gray", "blue", "green", "brown")
QUESTIONS = (
    Question("upper colour", tuple(f"{colour} upper" for colour in _UPPER)),
    Question("lower colour", tuple(f"{colour} lower" for colour in _LOWER)),
    Question("sleeves", ("long sleeves", "short sleeves")),
    Question("lower length", ("long lower", "short lower")),
    Question("lower kind", ("skirt", "trousers")),
    Question("backpack", ("no backpack", "backpack")),
    Question("bag", ("no bag", "bag")),
    Question("handbag", ("no handbag", "handbag")),
    Question("hat", ("no hat", "hat")),
)
"""All that the annotation allows to ask. "skirt" is also a dress; "bag" is neither a backpack nor
a handbag."""

_BINARY = {
    "sleeves": "up",
    "lower length": "down",
    "lower kind": "clothes",
    "backpack": "backpack",
    "bag": "bag",
    "handbag": "handbag",
    "hat": "hat",
}


def _annotation() -> dict[str, tuple[str, float]]:
    """Option -> the annotation's column, and the value that it has there."""
    found = {f"{colour} upper": (f"up{colour}", 1.0) for colour in _UPPER}
    found |= {f"{colour} lower": (f"down{colour}", 1.0) for colour in _LOWER}
    for question in QUESTIONS:
        for value, option in enumerate(question.options if question.name in _BINARY else ()):
            found[option] = (_BINARY[question.name], float(value))
    return found


_ANNOTATION = _annotation()


def answers_of(
    values: NDArray[np.float32],
    questions: Sequence[Question] = QUESTIONS,
    columns: Sequence[str] = ATTRIBUTES,
) -> NDArray[np.int64]:
    """(N, A) annotated attributes, named by `columns` -> (N, Q) the option of each question.

    `UNKNOWN` where no option holds, as for clothes of many colours, or several do.

    Raises:
        ReidError: an option that the annotation does not know.
    """
    found = np.full((len(values), len(questions)), UNKNOWN, np.int64)
    for place, question in enumerate(questions):
        for option in question.options:
            if option not in _ANNOTATION or _ANNOTATION[option][0] not in columns:
                raise ReidError(f"{question.name}: the annotation does not know {option!r}")
        pairs = [_ANNOTATION[option] for option in question.options]
        holds = np.stack([values[:, columns.index(column)] == value for column, value in pairs], 1)
        found[:, place] = np.where(holds.sum(1) == 1, holds.argmax(1), UNKNOWN)
    return found


def common_enough(
    answers: NDArray[np.int64],
    identities: NDArray[np.int64],
    questions: Sequence[Question],
    least: int,
) -> tuple[Question, ...]:
    """The questions without the options that fewer than `least` people have.

    A question that keeps fewer than two options is left out.

    Args:
        answers: (N, Q), see `answers_of`. identities: (N,) who is in the pictures.
    """
    kept = []
    for place, question in enumerate(questions):
        options = tuple(
            option
            for number, option in enumerate(question.options)
            if len(np.unique(identities[answers[:, place] == number])) >= least
        )
        if len(options) > 1:
            kept.append(Question(question.name, options))
    return tuple(kept)
