"""Fits the read-out of clothing and belongings to the vectors of a frozen network.

Multinomial logistic regression with class-balanced weights and a ridge. Its strength is chosen,
and probabilities and thresholds are calibrated, on people that a fit has not seen: the training
identities are cut into folds, and each is answered by a fit to the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid.errors import ReidError
from reid.wearing.questions import QUESTIONS, UNKNOWN, Question, answers_of, common_enough
from reid.wearing.readout import Readout, means_of, parts_of, softmax_in
from reid.wearing.scores import mean_recall

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FitSettings:
    """How a read-out is fitted.

    Attributes:
        seed: of the folds.
        folds: parts of the identities; raising it costs time and leaves more to learn from.
        ridges: strengths to choose from; a larger one trusts the training people less.
        kept: share of the tracks with an option that its threshold lets pass; raising it also
            lets more pass that do not have it.
        least_identities: options that fewer people have are not learned.
    """

    seed: int = 0
    folds: int = 5
    ridges: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    kept: float = 0.9
    least_identities: int = 20


@dataclass(frozen=True)
class Examples:
    """What is learned from.

    Attributes:
        features: (N, D) global vectors of length 1. values: (N, A) attributes, in the order of
            `reid.data.attributes.ATTRIBUTES`. identities, cameras: (N,).
        fingerprint: of the vectors.
    """

    features: NDArray[np.float32]
    values: NDArray[np.float32]
    identities: NDArray[np.int64]
    cameras: NDArray[np.int64]
    fingerprint: str


@dataclass(frozen=True)
class Fitted:
    """A read-out, and what was seen on the way.

    Attributes:
        answers: (N, Q) of the examples. held_out: (N, L) calibrated logits of each picture by a
            fit that has not seen the person. ridge: the one chosen. balanced: mean recall over all
            questions, in 0..1, at each ridge.
    """

    readout: Readout
    answers: NDArray[np.int64]
    held_out: NDArray[np.float32]
    ridge: float
    balanced: dict[float, float]


def fit_readout(
    examples: Examples,
    settings: FitSettings | None = None,
    on_fit: Callable[[int], None] | None = None,
) -> Fitted:
    """Fit, choose, calibrate.

    Args:
        on_fit: gets how many of the len(ridges) * folds + 1 fits are done.

    Raises:
        ReidError: fewer identities than folds, or no question has two options.
    """
    settings = settings or FitSettings()
    fold = folds_of(examples.identities, settings.folds, settings.seed)
    every = answers_of(examples.values)
    questions = common_enough(every, examples.identities, QUESTIONS, settings.least_identities)
    if not questions:
        raise ReidError(f"no attribute has two answers of {settings.least_identities} people each")
    answers = answers_of(examples.values, questions)
    data = _Data(examples.features, answers, questions)
    held: dict[float, Array] = {}
    done = 0
    for ridge in settings.ridges:
        held[ridge] = np.empty((len(fold), len(data.options)))
        for number in range(settings.folds):
            weight, bias = _fit(data, fold != number, ridge)
            held[ridge][fold == number] = data.features[fold == number] @ weight.T + bias
            done += 1
            if on_fit is not None:
                on_fit(done)
    balanced = {r: _mean_recall(held[r], answers, data.parts) for r in settings.ridges}
    ridge = max(settings.ridges, key=lambda r: balanced[r])
    scale, shift = calibrate(held[ridge], answers, data.parts)
    calibrated = (held[ridge] * scale + shift).astype(np.float32)
    weight, bias = _fit(data, np.ones(len(fold), bool), ridge)
    if on_fit is not None:
        on_fit(done + 1)
    readout = Readout(
        questions,
        (weight * scale[:, None]).astype(np.float32),
        (bias * scale + shift).astype(np.float32),
        *_thresholds(calibrated, examples, answers, data.parts, settings.kept),
        examples.fingerprint,
    )
    return Fitted(readout, answers, calibrated, ridge, balanced)


class _Data:
    """Vectors (N, D) and answers (N, Q) with the questions' columns; fits are in their dtype."""

    def __init__(
        self,
        features: NDArray[np.floating],
        answers: NDArray[np.int64],
        questions: tuple[Question, ...],
    ) -> None:
        self.features, self.answers = features.astype(np.float64), answers
        self.dtype = torch.from_numpy(features[:0]).dtype
        self.options = [option for question in questions for option in question.options]
        self.parts = parts_of(questions)


def folds_of(identities: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """(N,) fold 0..folds-1 of each picture; all pictures of a person are in one.

    Raises:
        ReidError: fewer people than folds.
    """
    people, rows = np.unique(identities, return_inverse=True)
    if len(people) < folds:
        raise ReidError(f"{len(people)} people cannot be cut into {folds} parts")
    place = np.random.default_rng(seed).permutation(len(people)) % folds
    return np.asarray(place[rows.reshape(-1)], np.int64)


def balanced_loss(logits: Tensor, answers: Tensor, parts: tuple[slice, ...]) -> Tensor:
    """Sum over questions of the cross-entropy in which each option weighs alike.

    Each picture weighs 1 / (options seen * pictures with its option), so that a rare option's few
    pictures count as much as the others' many. Unknown answers count nothing.

    Args:
        logits: (N, L). answers: (N, Q) int64.
    """
    total = logits.new_zeros(())
    for number, part in enumerate(parts):
        known = answers[:, number] != UNKNOWN
        chosen = answers[known, number]
        counts = torch.bincount(chosen, minlength=part.stop - part.start)
        share = 1 / (counts.clamp(min=1) * (counts > 0).sum()).to(logits)
        log_p = torch.log_softmax(logits[known, part], 1)
        total = total - (share[chosen] * log_p[torch.arange(len(chosen)), chosen]).sum()
    return total


def _fit(data: _Data, rows: NDArray[np.bool_], ridge: float) -> tuple[Array, Array]:
    """Weight (L, D) and bias (L,) for the pictures `rows`.

    Minimises `balanced_loss` + ridge * |W|^2 on centred vectors, scaled so that their
    components are of the order of 1; the result takes the vectors as they are.
    """
    plain = data.features[rows]
    centre, scale = plain.mean(0), float(np.sqrt(plain.shape[1]))
    features = torch.from_numpy((plain - centre) * scale).to(data.dtype)
    answers = torch.from_numpy(data.answers[rows])
    weight = torch.zeros(len(data.options), plain.shape[1], dtype=data.dtype)
    bias = torch.zeros(len(data.options), dtype=data.dtype)
    minimise(
        lambda w, b: (
            balanced_loss(features @ w.T + b, answers, data.parts) + ridge * w.square().sum()
        ),
        (weight, bias),
    )
    found = weight.double().numpy() * scale
    return found, bias.double().numpy() - found @ centre


def minimise(loss: Callable[..., Tensor], values: tuple[Tensor, ...]) -> None:
    """Change `values` in place to where a convex loss of them is least (L-BFGS)."""
    for value in values:
        value.requires_grad_()
    search = torch.optim.LBFGS(
        values, max_iter=100, tolerance_change=1e-7, line_search_fn="strong_wolfe"
    )

    def step() -> Tensor:
        search.zero_grad()
        found = loss(*values)
        found.backward()  # type: ignore[no-untyped-call]
        return found

    search.step(step)  # type: ignore[arg-type]
    for value in values:
        value.requires_grad_(False)


def calibrate(
    logits: Array, answers: NDArray[np.int64], parts: tuple[slice, ...]
) -> tuple[Array, Array]:
    """Scale (L,), one number per question, and shift (L,) that make logits honest.

    Temperature and bias (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017) by
    `balanced_loss`, so that probabilities hold where each option is as frequent as any other.
    """
    of_question = torch.repeat_interleave(
        torch.arange(len(parts)), torch.tensor([part.stop - part.start for part in parts])
    )
    fixed, chosen = torch.from_numpy(logits), torch.from_numpy(answers)
    log_scale = torch.zeros(len(parts), dtype=torch.float64)
    shift = torch.zeros(logits.shape[1], dtype=torch.float64)
    minimise(
        lambda s, b: (
            balanced_loss(fixed * s.exp()[of_question] + b, chosen, parts) + 1e-6 * b.square().sum()
        ),
        (log_scale, shift),
    )
    return log_scale.exp()[of_question].numpy(), shift.numpy()


def tracks_of(
    identities: NDArray[np.int64], cameras: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pictures of a person in a camera are a track: (N,) its number, (T,) its first picture."""
    pairs = np.stack([identities, cameras], 1)
    _, first, owner = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    return owner.reshape(-1).astype(np.int64), first.astype(np.int64)


def _thresholds(
    logits: NDArray[np.float32],
    examples: Examples,
    answers: NDArray[np.int64],
    parts: tuple[slice, ...],
    kept: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(L,) probabilities that a share `kept` of the tracks with each option reaches.

    And (L,) the share of the tracks without the option that reach it, too.
    """
    owner, first = tracks_of(examples.identities, examples.cameras)
    found = softmax_in(means_of(logits, owner, len(first)).astype(np.float32), parts)
    thresholds, let_pass = np.empty((2, logits.shape[1]), np.float32)
    for number, part in enumerate(parts):
        truth = answers[first, number]
        for option, row in enumerate(range(part.start, part.stop)):
            having = found[truth == option, row]
            without = found[(truth != option) & (truth != UNKNOWN), row]
            thresholds[row] = np.quantile(having, 1 - kept, method="lower")
            let_pass[row] = (without >= thresholds[row]).mean()
    return thresholds, let_pass


def _mean_recall(logits: Array, answers: NDArray[np.int64], parts: tuple[slice, ...]) -> float:
    return float(
        np.mean(
            [
                mean_recall(answers[:, q], logits[:, part].argmax(1), part.stop - part.start)
                for q, part in enumerate(parts)
            ]
        )
    )
