"""Annotated pictures as examples, and what a read-out gets right on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid.data.attributes import load_attributes
from reid.data.crops import DISTRACTOR_IDENTITY, Crops, Split
from reid.data.source import DataSource, load_split
from reid.describe import EmbedsCrops, embed_files
from reid.errors import ReidError
from reid.wearing.fit import Examples, Fitted, tracks_of
from reid.wearing.questions import answers_of
from reid.wearing.readout import Readout, means_of, softmax_in
from reid.wearing.scores import OptionScores, QuestionScores, option_scores, question_scores

OnStart = Callable[[int], Callable[[int], None]]
_PARTS: dict[Split, str] = {"train": "train", "query": "test", "gallery": "test"}


@dataclass(frozen=True)
class WearingScores:
    """What was measured on `pictures` pictures of `people` people in `tracks` tracks."""

    questions: tuple[QuestionScores, ...]
    options: tuple[OptionScores, ...]
    pictures: int
    people: int
    tracks: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "pictures": self.pictures,
            "people": self.people,
            "tracks": self.tracks,
            "questions": [question.as_dict() for question in self.questions],
            "options": [option.as_dict() for option in self.options],
        }


def annotation_file(given: Path, source: DataSource, split: Split) -> Path:
    """The .csv of a split: `given` itself, or NAME_attributes_{train,test}.csv in that folder.

    NAME is the data set's.
    """
    if not given.is_dir():
        return given
    return given / f"{source.name}_attributes_{_PARTS[split]}.csv"


def read_examples(
    embedder: EmbedsCrops,
    source: DataSource,
    split: Split,
    annotation: Path,
    on_start: OnStart | None = None,
) -> Examples:
    """Embed the annotated pictures of a split; distractors are left out.

    Raises:
        ReidError: not the data set's layout, an image that cannot be decoded, or an annotation
            that is missing, wrong or lacks somebody.
    """
    crops = _of_people(load_split(source, split))
    if not len(crops):
        raise ReidError(f"{source.path}: nobody in the pictures is known")
    values, _ = load_attributes(annotation_file(annotation, source, split), crops.identities)
    found = embed_files(embedder, crops.paths, on_start(len(crops)) if on_start else None)
    return Examples(
        found.global_features, values, crops.identities, crops.cameras, found.fingerprint
    )


def _of_people(crops: Crops) -> Crops:
    rows = np.flatnonzero(crops.identities != DISTRACTOR_IDENTITY)
    paths = tuple(crops.paths[row] for row in rows)
    return Crops(paths, crops.identities[rows], crops.cameras[rows])


def scores_of(readout: Readout, examples: Examples) -> WearingScores:
    """Score a read-out on pictures that it was not fitted to.

    Raises:
        ReidError: vectors of another model.
    """
    if examples.fingerprint != readout.fingerprint:
        raise ReidError(f"vectors of model {examples.fingerprint}, not {readout.fingerprint}")
    answers = answers_of(examples.values, readout.questions)
    return _scores(readout, examples, answers, readout.logits(examples.features))


def held_out_scores(fitted: Fitted, examples: Examples) -> WearingScores:
    """Scores of the training pictures by fits that have not seen the person.

    Strength and calibration were chosen on the same answers, so they flatter a little.
    """
    return _scores(fitted.readout, examples, fitted.answers, fitted.held_out)


def _scores(
    readout: Readout,
    examples: Examples,
    answers: NDArray[np.int64],
    logits: NDArray[np.float32],
) -> WearingScores:
    owner, first = tracks_of(examples.identities, examples.cameras)
    parts = readout.parts
    of_pictures = softmax_in(logits, parts)
    of_tracks = softmax_in(means_of(logits, owner, len(first)).astype(np.float32), parts)
    questions = tuple(
        question_scores(question, answers[:, number], of_pictures[:, part])
        for number, (question, part) in enumerate(zip(readout.questions, parts, strict=True))
    )
    options = option_scores(readout, answers, of_pictures, answers[first], of_tracks)
    people = len(np.unique(examples.identities))
    return WearingScores(questions, tuple(options), len(answers), people, len(first))
