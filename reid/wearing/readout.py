"""The linear read-out of clothing and belongings from global vectors, stored ones included."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reid.embeddings import Embeddings
from reid.errors import ReidError
from reid.wearing.questions import Question


@dataclass(frozen=True)
class Readout:
    """Probabilities of L options in Q questions, as a softmax inside each question.

    They are calibrated to an even prior: one half of a question with two options means that the
    picture speaks for neither, however rare the option is.

    Attributes:
        questions: Q, with L options in all; rows below are in their order.
        weight: (L, D) float32. bias: (L,) float32.
        thresholds: (L,) float32: from which probability on a track passes a filter for the option;
            nine of ten tracks that have it do.
        let_pass: (L,) float32: share of the tracks without the option that pass, too; the nearer
            to 0, the more the filter is worth.
        fingerprint: of the vectors that may be read.
    """

    questions: tuple[Question, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    let_pass: NDArray[np.float32]
    fingerprint: str

    @property
    def options(self) -> tuple[str, ...]:
        """The L options of all questions."""
        return tuple(option for question in self.questions for option in question.options)

    @property
    def parts(self) -> tuple[slice, ...]:
        """Which of the L rows belong to each question."""
        return parts_of(self.questions)

    def logits(self, global_features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, D) global vectors of length 1 -> (N, L)."""
        features = np.asarray(global_features, np.float32)
        return features @ self.weight.T + self.bias

    def probabilities(self, global_features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, D) global vectors of length 1 -> (N, L), which sum to 1 in each question."""
        return softmax_in(self.logits(global_features), self.parts)

    def read(self, embeddings: Embeddings) -> NDArray[np.float32]:
        """`probabilities` of N crops.

        Raises:
            ReidError: vectors of another model.
        """
        if embeddings.fingerprint != self.fingerprint:
            raise ReidError(
                f"attributes of model {self.fingerprint} cannot be read from vectors of model "
                f"{embeddings.fingerprint}"
            )
        return self.probabilities(embeddings.global_features)

    def of_tracks(
        self, global_features: NDArray[np.floating], owner: NDArray[np.int64], count: int
    ) -> NDArray[np.float32]:
        """(count, L) probabilities of tracks, by the mean of their pictures' logits.

        Args:
            global_features: (N, D) of length 1. owner: (N,) the track of each picture, 0..count-1,
                each at least once.
        """
        means = means_of(self.logits(global_features), owner, count)
        return softmax_in(means.astype(np.float32), self.parts)

    def passes(
        self, probabilities: NDArray[np.float32], options: tuple[str, ...]
    ) -> NDArray[np.bool_]:
        """(N,) whether all `options` are at or above their thresholds in (N, L) probabilities."""
        rows = self.rows(options)
        return np.asarray((probabilities[:, rows] >= self.thresholds[rows]).all(1))

    def rows(self, options: tuple[str, ...]) -> list[int]:
        """The rows of some options.

        Raises:
            ReidError: an option that this model was not taught.
        """
        known = self.options
        for option in options:
            if option not in known:
                raise ReidError(f"{option}: not an attribute of this model: {', '.join(known)}")
        return [known.index(option) for option in options]


def parts_of(questions: tuple[Question, ...]) -> tuple[slice, ...]:
    """Which of the L rows belong to each question."""
    ends = np.cumsum([0, *(len(question.options) for question in questions)]).tolist()
    return tuple(slice(a, b) for a, b in pairwise(ends))


def softmax_in(logits: NDArray[np.float32], parts: tuple[slice, ...]) -> NDArray[np.float32]:
    """(N, L) -> (N, L): the softmax over each part of the columns."""
    out = np.empty_like(logits)
    for part in parts:
        shifted = np.exp(logits[:, part] - logits[:, part].max(1, keepdims=True))
        out[:, part] = shifted / shifted.sum(1, keepdims=True)
    return out


def means_of(
    rows: NDArray[np.floating], owner: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """(count, L) means of the (N, L) rows of each owner, 0..count-1, each at least once."""
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, owner, rows)
    return np.asarray(sums / np.bincount(owner, minlength=count)[:, None])
