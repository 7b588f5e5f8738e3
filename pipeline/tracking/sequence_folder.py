"""A labelled sequence in MOTChallenge layout: `img1/`, `gt/gt.txt`, `det/*.txt`, `seqinfo.ini`."""

from __future__ import annotations

import configparser
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from trackers.detections import Detections
from trackers.metrics.labels import PERSON, MotLabels, read_labels
from trackers.metrics.sequence import rows_by_frame
from trackers.motfile import MotFileError, MotRows, read_mot

Read = TypeVar("Read")
_PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


class SequenceError(ValueError):
    """A sequence cannot be read; the message is one line that names the file."""


@dataclass(frozen=True)
class SequenceFolder:
    """One sequence.

    Attributes:
        folder: where it lies.
        name: as `seqinfo.ini` says, or the folder's name.
        fps: frames per second.
        image_files: frame k + 1 is `image_files[k]`.
    """

    folder: Path
    name: str
    fps: float
    image_files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.image_files)

    def image(self, index: int) -> NDArray[np.uint8]:
        """The (H, W, 3) BGR picture of 0-based frame `index`.

        Raises:
            SequenceError: the file is no picture.
        """
        picture = cv2.imread(str(self.image_files[index]))
        if picture is None:
            raise SequenceError(f"{self.image_files[index]}: not a picture")
        return np.asarray(picture, np.uint8)

    @cached_property
    def frame_size_wh(self) -> tuple[int, int]:
        """Width and height of the first frame in pixels."""
        height, width = self.image(0).shape[:2]
        return width, height

    def pictures_digest(self) -> str:
        """A hash of the pictures' names, sizes and times of change."""
        digest = hashlib.sha256()
        for path in self.image_files:
            status = path.stat()
            digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def labels(self) -> MotLabels:
        """All labelled boxes of `gt/gt.txt`, with their classes if the file has any.

        Raises:
            SequenceError: the file is missing, broken or without a person to be scored, or has a
                frame that the sequence does not have.
        """
        path = self.folder / "gt" / "gt.txt"
        labels = _read(path, read_labels)
        self._check_frames(path, labels.rows)
        if not len(labels.scored()):
            raise SequenceError(f"{path}: no labelled box")
        return labels

    def ground_truth(self) -> MotRows:
        """The people to be found: score other than 0 and, if there are classes, class 1.

        Raises:
            SequenceError: as in `labels`.
        """
        return self.labels().scored()

    def results(self, folder: Path, *, classes: bool = False) -> MotRows:
        """The tracks of `SEQUENCE.txt` in a folder of results.

        Args:
            folder: of the file. classes: refuse what the file says to be something else than a
                person, as TrackEval does.

        Raises:
            SequenceError: no such file, a bad line, a frame that the sequence does not have, or
                a box that is no person's.
        """
        path = folder / f"{self.name}.txt"
        found = _read(path, read_labels) if classes else MotLabels(_read(path, _read_ids), None)
        self._check_frames(path, found.rows)
        if found.classes is not None and (found.classes != PERSON).any():
            row = int(np.argmax(found.classes != PERSON))
            raise SequenceError(
                f"{path}: frame {found.rows.frames[row]}, id {found.rows.ids[row]}: class "
                f"{found.classes[row]}, but only people (class {PERSON}) are scored"
            )
        return found.rows

    def detections(self, relative: str) -> list[Detections]:
        """The boxes of every frame from a file below the folder, such as `det/det.txt`.

        Raises:
            SequenceError: no such file, a bad line, a frame that the sequence does not have, or a
                score that is no confidence in 0..1.
        """
        path = self.folder / relative
        rows = _read(path, read_mot)
        self._check_frames(path, rows)
        odd = (rows.scores < 0) | (rows.scores > 1)
        if odd.any():
            raise SequenceError(
                f"{path}: frame {rows.frames[odd][0]}: score {rows.scores[odd][0]:g}; "
                "trackers need confidences in 0..1"
            )
        return [
            Detections(rows.boxes_xyxy[chosen].astype(np.float32), rows.scores[chosen])
            for chosen in rows_by_frame(rows.frames, np.arange(1, len(self) + 1))
        ]

    def _check_frames(self, path: Path, rows: MotRows) -> None:
        if len(rows) and rows.frames.max() > len(self):
            raise SequenceError(f"{path}: frame {rows.frames.max()}, but there are {len(self)}")


def read_sequences(folders: list[Path]) -> list[SequenceFolder]:
    """The sequences at and right below some folders, each once, in order of name per folder.

    Raises:
        SequenceError: a folder is missing or holds no sequence, or two sequences share a name.
    """
    found: dict[Path, SequenceFolder] = {}
    for folder in folders:
        if not folder.is_dir():
            raise SequenceError(f"{folder}: no such folder")
        candidates = [folder] if (folder / "img1").is_dir() else sorted(folder.iterdir())
        chosen = [path for path in candidates if (path / "img1").is_dir()]
        if not chosen:
            raise SequenceError(f"{folder}: no sequence in it (a folder with img1/ and gt/)")
        for path in chosen:
            found.setdefault(path.resolve(), _read_sequence(path))
    by_name: dict[str, SequenceFolder] = {}
    for sequence in found.values():
        other = by_name.setdefault(sequence.name, sequence)
        if other is not sequence:
            raise SequenceError(
                f"{other.folder} and {sequence.folder} are both named {sequence.name}"
            )
    return list(by_name.values())


def _read_sequence(folder: Path) -> SequenceFolder:
    images = sorted(p for p in (folder / "img1").iterdir() if p.suffix.lower() in _PICTURES)
    if not images:
        raise SequenceError(f"{folder / 'img1'}: no picture in it")
    _check_numbers(images)
    path = folder / "seqinfo.ini"
    if not path.is_file():
        raise SequenceError(f"{path}: missing; it tells the frame rate (frameRate=25)")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text("utf-8-sig"))
        section = parser["Sequence"]
        fps = float(section["frameRate"])
    except (configparser.Error, KeyError, ValueError, OSError) as error:
        raise SequenceError(f"{path}: Sequence.frameRate: {str(error).splitlines()[0]}") from error
    if not 0 < fps < 1000:
        raise SequenceError(f"{path}: Sequence.frameRate: {fps:g} is not a frame rate")
    name = section.get("name", folder.name)
    if name in ("", ".", "..") or Path(name).name != name:
        raise SequenceError(f"{path}: Sequence.name: {name!r} cannot be the name of a file")
    return SequenceFolder(folder, name, fps, tuple(images))


def _check_numbers(images: list[Path]) -> None:
    """A missing picture would move all later frames away from their labels."""
    for before, after in pairwise(images):
        digits = before.stem.isdecimal() and after.stem.isdecimal()
        if digits and int(after.stem) != int(before.stem) + 1:
            raise SequenceError(
                f"{after}: comes after {before.name}; numbered pictures must be in order of their "
                "names and without a gap"
            )


def _read_ids(path: Path) -> MotRows:
    return read_mot(path, unique_ids=True)


def _read(path: Path, read: Callable[[Path], Read]) -> Read:
    if not path.is_file():
        raise SequenceError(f"{path}: no such file")
    try:
        return read(path)
    except MotFileError as error:
        raise SequenceError(str(error)) from error
