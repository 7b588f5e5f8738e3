"""MOTChallenge text files: `frame,id,left,top,width,height,score,-1,-1`, one box per line."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_FIELDS = 6
COORDINATE_DECIMALS = 3
SCORE_DECIMALS = 4
MAX_NUMBER = 1e12
MAX_INTEGER = 2**62


class MotFileError(ValueError):
    """A MOTChallenge file cannot be read or written; the message names the file (and the line)."""


class MotFileExistsError(MotFileError, FileExistsError):
    """The file to be written is already there and overwriting was not asked for."""


@dataclass(frozen=True)
class MotRows:
    """The boxes of one camera, one row per box, in file order.

    Attributes:
        frames: (N,) int64, 1-based frames of the source.
        ids: (N,) int64; -1 in files of detections without identity.
        boxes_xyxy: (N, 4) float64, left, top, right, bottom in pixels; with float32 a score's
            thresholds would be met or missed by rounding.
        scores: (N,) float32 confidence; in ground-truth files 0 means "do not consider".

    Raises:
        ValueError: the arrays differ in length.
    """

    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes_xyxy: NDArray[np.floating[Any]]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        frames = np.asarray(self.frames, np.int64).reshape(-1)
        ids = np.asarray(self.ids, np.int64).reshape(-1)
        boxes = np.asarray(self.boxes_xyxy, np.float64).reshape(-1, 4)
        scores = np.asarray(self.scores, np.float32).reshape(-1)
        lengths = {len(frames), len(ids), len(boxes), len(scores)}
        if len(lengths) > 1:
            raise ValueError(
                f"{len(frames)} frames, {len(ids)} ids, {len(boxes)} boxes, {len(scores)} scores"
            )
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "boxes_xyxy", boxes)
        object.__setattr__(self, "scores", scores)

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> MotRows:
        """The rows of a (N,) bool mask or of an array of row numbers, in that order."""
        return MotRows(self.frames[rows], self.ids[rows], self.boxes_xyxy[rows], self.scores[rows])

    def shifted(self, frames: int) -> MotRows:
        """The same boxes `frames` frames later."""
        return MotRows(self.frames + frames, self.ids, self.boxes_xyxy, self.scores)

    def first_duplicate(self) -> tuple[int, int] | None:
        """The row numbers of the first box whose (frame, id) was there before, and of that one."""
        seen: dict[tuple[int, int], int] = {}
        for row, key in enumerate(zip(self.frames.tolist(), self.ids.tolist(), strict=True)):
            if key in seen:
                return row, seen[key]
            seen[key] = row
        return None

    @classmethod
    def empty(cls) -> MotRows:
        """No boxes."""
        ids = np.zeros(0, np.int64)
        return cls(ids, ids, np.zeros((0, 4)), np.zeros(0, np.float32))

    @classmethod
    def concatenate(cls, parts: list[MotRows]) -> MotRows:
        """All rows of `parts`, one after the other."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.frames for part in parts]),
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.boxes_xyxy for part in parts]),
            np.concatenate([part.scores for part in parts]),
        )


def read_mot(path: Path, *, unique_ids: bool = False) -> MotRows:
    """Read a MOTChallenge file; fields after the seventh are ignored, a missing score is 1.

    Args:
        path: the file; blank lines are skipped.
        unique_ids: also refuse an id that is twice in one frame (ground truth and results; files
            of detections have the id -1 everywhere).

    Raises:
        MotFileError: the file cannot be read, or a line is bad; the message says `file:line`.
    """
    return _rows_of_lines(numbered_fields(path), path, unique_ids=unique_ids)


def numbered_fields(path: Path) -> list[tuple[int, list[str]]]:
    """The lines of a comma-separated file that are not blank: 1-based number, stripped fields.

    Raises:
        MotFileError: the file cannot be read.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MotFileError(f"{path}: cannot read it as text: {error}") from error
    return _fields_of(lines)


def as_written(rows: MotRows) -> MotRows:
    """The rows as they would be read from a file of them: sorted, with rounded numbers.

    Raises:
        ValueError: see `format_mot`.
    """
    return _rows_of_lines(_fields_of(format_mot(rows).splitlines()), Path("rows"), unique_ids=False)


def _fields_of(lines: list[str]) -> list[tuple[int, list[str]]]:
    return [
        (number, [field.strip() for field in line.split(",")])
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _rows_of_lines(lines: list[tuple[int, list[str]]], path: Path, *, unique_ids: bool) -> MotRows:
    values = []
    for number, fields in lines:
        try:
            values.append(_parse_fields(fields))
        except ValueError as error:
            raise MotFileError(f"{path}:{number}: {error}") from None
    rows = _rows_of(values)
    duplicate = rows.first_duplicate() if unique_ids else None
    if duplicate is not None:
        row, earlier = duplicate
        raise MotFileError(
            f"{path}:{lines[row][0]}: id {rows.ids[row]} is in frame {rows.frames[row]} already "
            f"(line {lines[earlier][0]})"
        )
    return rows


def format_mot(rows: MotRows) -> str:
    """The text of a MOTChallenge file, sorted by frame and then by id.

    Raises:
        ValueError: a frame below 1, a box that is not finite or whose right or bottom edge lies
            before its left or top edge.
    """
    boxes = rows.boxes_xyxy.astype(np.float64)
    sizes_wh = boxes[:, 2:] - boxes[:, :2]
    bad = ~np.isfinite(boxes).all(axis=1) | (sizes_wh < 0).any(axis=1) | (rows.frames < 1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"frame {rows.frames[row]}, id {rows.ids[row]}: bad box {boxes[row]}")
    lines = []
    for row in np.lexsort((rows.ids, rows.frames)):
        left_top_wh = ",".join(
            f"{value:.{COORDINATE_DECIMALS}f}" for value in (*boxes[row, :2], *sizes_wh[row])
        )
        score = f"{rows.scores[row]:.{SCORE_DECIMALS}f}"
        lines.append(f"{rows.frames[row]},{rows.ids[row]},{left_top_wh},{score},-1,-1\n")
    return "".join(lines)


def write_mot(path: Path, rows: MotRows, *, overwrite: bool = False) -> None:
    """Write one MOTChallenge file; see `write_mot_files`."""
    write_mot_files({path: rows}, overwrite=overwrite)


def write_mot_files(files: Mapping[Path, MotRows], *, overwrite: bool = False) -> None:
    """Write MOTChallenge files; each appears whole, and none before all could be written.

    Args:
        files: the rows of each path; the folders must exist.
        overwrite: replace files that are already there.

    Raises:
        MotFileExistsError: a file is already there; nothing was written.
        MotFileError: a file cannot be written, or has a bad row.
    """
    for path in files:
        if path.exists() and not overwrite:
            raise MotFileExistsError(f"{path} is already there and is not overwritten unasked")
    staged: list[tuple[Path, Path]] = []
    try:
        for path, rows in files.items():
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            staged.append((temporary, path))
            _write_durably(temporary, path, rows)
        for temporary, path in staged:
            temporary.replace(path)
    except OSError as error:
        raise MotFileError(f"{error.filename}: cannot write: {error.strerror}") from error
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)


def _write_durably(temporary: Path, path: Path, rows: MotRows) -> None:
    try:
        text = format_mot(rows)
    except ValueError as error:
        raise MotFileError(f"{path}: {error}") from error
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _parse_fields(fields: list[str]) -> tuple[int, int, float, float, float, float, float]:
    """`frame, id, left, top, width, height, score` of one line; ValueError says what is bad."""
    if len(fields) < MIN_FIELDS:
        raise ValueError(
            f"{len(fields)} fields, at least {MIN_FIELDS} are needed: "
            "frame,id,left,top,width,height[,score]"
        )
    frame = _integer(fields[0], "frame")
    if frame < 1:
        raise ValueError(f"frame {frame}: frames count from 1")
    names = ("left", "top", "width", "height", "score")
    left, top, width, height, score = (
        _number(field, name) for field, name in zip([*fields[2:7], "1"][:5], names, strict=True)
    )
    if width < 0 or height < 0:
        raise ValueError(f"width {width:g} and height {height:g} must not be negative")
    return frame, _integer(fields[1], "id"), left, top, width, height, score


def _number(field: str, name: str) -> float:
    try:
        value = float(field)
    except ValueError:
        raise ValueError(f"{name} is not a number: {field!r}") from None
    if not math.isfinite(value) or abs(value) > MAX_NUMBER:
        raise ValueError(f"{name} is out of range: {field!r}")
    return value


def _integer(field: str, name: str) -> int:
    try:
        integer = int(field)
    except ValueError:
        value = _number(field, name)
        if not value.is_integer():
            raise ValueError(f"{name} is not a whole number: {field!r}") from None
        integer = int(value)
    if abs(integer) > MAX_INTEGER:
        raise ValueError(f"{name} is out of range: {field!r}")
    return integer


def _rows_of(values: list[tuple[int, int, float, float, float, float, float]]) -> MotRows:
    if not values:
        return MotRows.empty()
    frames, ids, left, top, width, height, scores = zip(*values, strict=True)
    boxes_ltwh = np.array([left, top, width, height], np.float64).T
    boxes_xyxy = np.hstack([boxes_ltwh[:, :2], boxes_ltwh[:, :2] + boxes_ltwh[:, 2:]])
    return MotRows(
        np.array(frames, np.int64),
        np.array(ids, np.int64),
        boxes_xyxy,
        np.array(scores, np.float32),
    )
