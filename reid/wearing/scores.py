"""How well attributes are read: accuracy, balanced accuracy, F1, and what guessing would give."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid.wearing.questions import UNKNOWN, Question
from reid.wearing.readout import Readout


@dataclass(frozen=True)
class QuestionScores:
    """One question, in percent of the pictures whose answer is known.

    Attributes:
        pictures: how many these are.
        majority: accuracy of always giving the most frequent answer; what the accuracy of a rare
            attribute has to be compared with.
        balanced: mean over the options of the share that is recognised (recall); 100 divided by
            the number of options is a guess.
        f1: of the rarer option where there are two, else the mean over the options.
    """

    question: str
    pictures: int
    majority: float
    accuracy: float
    balanced: float
    f1: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, rounded to a hundredth."""
        return {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class OptionScores:
    """One option, in percent.

    Attributes:
        share: of the pictures that have it. recall: share of those for which it is the most
            probable. precision: share that has it where it is the most probable.
        kept: share of the tracks with it that its threshold lets pass. let_pass: share of the
            tracks without it that pass, too. NaN where there are none.
    """

    option: str
    share: float
    recall: float
    precision: float
    kept: float
    let_pass: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, rounded to a hundredth; None for what has no example."""
        rounded = {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return {k: None if v != v else v for k, v in rounded.items()}


def mean_recall(answers: NDArray[np.int64], given: NDArray[np.int64], options: int) -> float:
    """Mean over the options that occur of the share that is given right, 0..1."""
    shares = [
        float((given[answers == option] == option).mean())
        for option in range(options)
        if (answers == option).any()
    ]
    return float(np.mean(shares)) if shares else float("nan")


def f1_score(answers: NDArray[np.int64], given: NDArray[np.int64], option: int) -> float:
    """2 TP / (2 TP + FP + FN) of one option, 0..1."""
    right = int(((answers == option) & (given == option)).sum())
    wrong = int(((answers == option) != (given == option)).sum())
    return 2 * right / (2 * right + wrong) if right + wrong else float("nan")


def question_scores(
    question: Question, answers: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> QuestionScores:
    """Score (N, K) probabilities of a question against (N,) answers."""
    known = answers != UNKNOWN
    truth, given = answers[known], probabilities[known].argmax(1)
    count = len(question.options)
    seen = np.bincount(truth, minlength=count)
    of = [int(seen.argmin())] if count == 2 else [k for k in range(count) if seen[k]]
    return QuestionScores(
        question.name,
        int(known.sum()),
        100 * float(seen.max() / max(seen.sum(), 1)),
        100 * float((truth == given).mean()),
        100 * mean_recall(truth, given, count),
        100 * float(np.mean([f1_score(truth, given, k) for k in of])),
    )


def option_scores(
    readout: Readout,
    answers: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    track_answers: NDArray[np.int64],
    track_probabilities: NDArray[np.float32],
) -> list[OptionScores]:
    """Score every option.

    Args:
        answers: (N, Q) of pictures. probabilities: (N, L). track_answers: (T, Q).
        track_probabilities: (T, L).
    """
    found = []
    for number, (question, part) in enumerate(zip(readout.questions, readout.parts, strict=True)):
        known = answers[:, number] != UNKNOWN
        truth, given = answers[known, number], probabilities[known, part].argmax(1)
        tracks = track_answers[:, number]
        for option, word in enumerate(question.options):
            row = part.start + option
            passing = track_probabilities[:, row] >= readout.thresholds[row]
            found.append(
                OptionScores(
                    word,
                    _percent(truth == option),
                    _percent(given[truth == option] == option),
                    _percent(truth[given == option] == option),
                    _percent(passing[tracks == option]),
                    _percent(passing[(tracks != option) & (tracks != UNKNOWN)]),
                )
            )
    return found


def _percent(of: NDArray[np.bool_]) -> float:
    return 100 * float(of.mean()) if len(of) else float("nan")
