"""What people wear and carry as a part of a search: the words, and whose pictures fit them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.search_picture import SearchError
from reid.wearing.readout import Readout, means_of, softmax_in
from storage.index import VectorIndex
from storage.records import SearchFilter

NO_READOUT = (
    "This archive's embedder names no clothing; see “Searching by clothing” in docs/OPERATIONS.md."
)
UNRELIABLE = 0.5
"""A word that lets a larger share of the others pass is called unreliable."""


@dataclass(frozen=True)
class PersonFilter(SearchFilter):
    """A filter that looks at clothing, too, which `SearchService` does: the store does not know it.

    Attributes:
        wearing: words of the embedder's read-out. One of those that answer the same question must
            fit, as a person has one upper colour; of different questions all must.
    """

    wearing: tuple[str, ...] = ()


def worn(where: SearchFilter) -> tuple[str, ...]:
    """The words about clothing of a filter; empty if it does not ask."""
    return where.wearing if isinstance(where, PersonFilter) else ()


def unreliable_words(readout: Readout) -> dict[str, float]:
    """The words that say little, and the share, 0..1, of the others that pass as well."""
    shares = zip(readout.options, readout.let_pass.tolist(), strict=True)
    return {word: share for word, share in shares if share > UNRELIABLE}


@dataclass(frozen=True)
class Fitting:
    """Which tracklets fit some words; without words all do.

    Attributes:
        words: W words.
        probabilities: of those who fit, by uuid: each word's, 0..1, in the order of the words.
        scores: of those who fit, by uuid: the probability, 0..1, that all that was asked for holds.
        pictures: of those who fit, by uuid: the exemplar row of the best picture.
        others: uuids of those who do not fit.
        unreliable: of the words; see `unreliable_words`.
    """

    words: tuple[str, ...] = ()
    probabilities: dict[str, tuple[float, ...]] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    pictures: dict[str, int] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    unreliable: dict[str, float] = field(default_factory=dict)

    def narrow(self, where: SearchFilter) -> SearchFilter:
        """The filter without those who do not fit."""
        return replace(where, exclude_tracklets={*where.exclude_tracklets, *self.others})

    def fits(self, uuid: str) -> bool:
        """Whether a tracklet fits; one that came after the question is not known to."""
        return not self.words or uuid in self.scores

    def of(self, uuid: str) -> tuple[tuple[str, float], ...]:
        """Each word with its probability for a tracklet that fits."""
        return tuple(zip(self.words, self.probabilities[uuid], strict=True)) if self.words else ()

    @property
    def notice(self) -> str | None:
        """How many fit, and which words say little, as sentences for the operator."""
        if not self.words:
            return None
        seen = len(self.scores) + len(self.others)
        text = f"{len(self.scores)} of {seen} sightings may fit: {', '.join(self.words)}."
        said = [
            f"“{w}” lets {share:.0%} of the others pass" for w, share in self.unreliable.items()
        ]
        return f"{text} Unreliable: {', '.join(said)}." if said else text


def fitting(
    readout: Readout | None, index: VectorIndex, where: SearchFilter, fingerprint: str
) -> Fitting:
    """Which tracklets that the SQL filter leaves fit the words of a filter.

    A tracklet is read from all its stored pictures together, not a whole person: people change
    clothes, and identities may be wrong.

    Raises:
        SearchError: the vectors cannot be read, or not by these words. StoreError: see `mapped`.
    """
    words = worn(where)
    if not words:
        return Fitting()
    if readout is None or readout.fingerprint != fingerprint:
        raise SearchError(NO_READOUT)
    unknown = [word for word in words if word not in readout.options]
    if unknown:
        raise SearchError(f"“{unknown[0]}” is not known; known: {', '.join(readout.options)}.")
    unreliable = {w: s for w, s in unreliable_words(readout).items() if w in words}
    row_ids, owners, logits = index.mapped(where, readout.logits)
    if not owners:
        return Fitting(words, unreliable=unreliable)
    uuids, first, owner = np.unique(owners, return_index=True, return_inverse=True)
    means = means_of(logits, owner, len(uuids)).astype(np.float32)
    probabilities = softmax_in(means, readout.parts)
    passing, score = _judge(readout, probabilities, words)
    who = [str(uuid) for uuid in uuids[passing]]
    asked = probabilities[passing][:, readout.rows(words)].tolist()
    return Fitting(
        words,
        dict(zip(who, map(tuple, asked), strict=True)),
        dict(zip(who, score[passing].tolist(), strict=True)),
        dict(zip(who, row_ids[first[passing]].tolist(), strict=True)),
        frozenset(str(uuid) for uuid in uuids[~passing]),
        unreliable,
    )


def _judge(
    readout: Readout, probabilities: NDArray[np.float32], words: tuple[str, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(T,) who fits, and (T,) the probability that one option of each question asked holds.

    Answers to different questions are taken as independent.
    """
    passing = np.ones(len(probabilities), bool)
    score = np.ones(len(probabilities))
    for question in readout.questions:
        asked = [word for word in words if word in question.options]
        if asked:
            one_fits = [readout.passes(probabilities, (word,)) for word in asked]
            passing &= np.any(one_fits, axis=0)
            score *= probabilities[:, readout.rows(tuple(asked))].sum(1)
    return passing, np.minimum(score, 1.0)
