"""Score identities against a folder of labelled cameras, per camera and across cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from trackers.metrics import (
    TrackingSequence,
    hota_scores,
    identity_scores,
    ignored_rows,
    score_sequence,
)
from trackers.motfile import MotFileError, MotRows, read_mot

IGNORE_PREFIX = "ignore_"


class EvaluationError(ValueError):
    """Ground truth and hypotheses cannot be compared; the message is one line."""


@dataclass(frozen=True)
class LabelledCamera:
    """The ground truth of one camera.

    Attributes:
        camera: its name, the stem of its file.
        gt: labelled boxes; one id space over all cameras.
        ignore: boxes where nothing is scored.
    """

    camera: str
    gt: MotRows
    ignore: MotRows


@dataclass(frozen=True)
class CameraScores:
    """Scores of one camera; ratios are in 0..1 (MOTA may be negative).

    Attributes:
        idf1: harmonic mean of `idp` and `idr`.
        idp: share of the reported boxes that carry the right identity.
        idr: share of the labelled boxes that were reported under the right identity.
        idsw: identity switches.
        mota: 1 - (misses + false positives + switches) / labelled boxes.
        hota: HOTA, mean over its 19 thresholds.
        gt_ids: number of labelled people.
        hyp_ids: number of identities reported.
        gt_boxes: number of labelled boxes.
        hyp_boxes: number of reported boxes that were scored.
        ignored_boxes: reported boxes that were dropped because they lie in ignore boxes.
        late_boxes: reported boxes that were dropped because they lie after the last frame.
    """

    idf1: float
    idp: float
    idr: float
    idsw: int
    mota: float
    hota: float
    gt_ids: int
    hyp_ids: int
    gt_boxes: int
    hyp_boxes: int
    ignored_boxes: int
    late_boxes: int


@dataclass(frozen=True)
class CrossCameraScores:
    """Scores of all cameras as one sequence with one id space; ratios are in 0..1.

    A person who gets a second identity in another camera loses all boxes of one of the two, which
    scores per camera do not show. Attributes as in `CameraScores`.
    """

    idf1: float
    idp: float
    idr: float
    hota: float
    gt_ids: int
    hyp_ids: int
    gt_boxes: int
    hyp_boxes: int


@dataclass(frozen=True)
class Report:
    """The result of `evaluate`.

    Attributes:
        cameras: scores of each labelled camera, by name.
        cross_camera: scores over all of them.
        max_frame: the last frame that counted, 1-based.
        unscored_cameras: cameras with hypotheses but without ground truth.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "camera",
        "IDF1",
        "IDP",
        "IDR",
        "IDSW",
        "MOTA",
        "HOTA",
        "people",
        "identities",
    )

    cameras: Mapping[str, CameraScores]
    cross_camera: CrossCameraScores
    max_frame: int
    unscored_cameras: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain dictionaries, lists and numbers, ready for JSON."""
        return {
            "max_frame": self.max_frame,
            "cross_camera": asdict(self.cross_camera),
            "cameras": {name: asdict(scores) for name, scores in self.cameras.items()},
            "unscored_cameras": list(self.unscored_cameras),
        }

    def rows(self) -> list[tuple[str, ...]]:
        """Table rows under `COLUMNS`, ratios in percent; the last row is over all cameras."""
        table = [
            (
                name,
                *map(_percent, (s.idf1, s.idp, s.idr)),
                str(s.idsw),
                *map(_percent, (s.mota, s.hota)),
                str(s.gt_ids),
                str(s.hyp_ids),
            )
            for name, s in self.cameras.items()
        ]
        cross = self.cross_camera
        percents = map(_percent, (cross.idf1, cross.idp, cross.idr))
        counts = (str(cross.gt_ids), str(cross.hyp_ids))
        return [*table, ("across cameras", *percents, "", "", _percent(cross.hota), *counts)]


def evaluate(
    hypotheses: Mapping[str, MotRows], gt_dir: Path, *, max_frame: int | None = None
) -> Report:
    """Score identities against labelled cameras.

    Args:
        hypotheses: boxes of each camera; ids are identities, the same person has the same id in
            all cameras. Cameras are matched with the ground truth's by name, whatever the case.
        gt_dir: see `read_ground_truth`.
        max_frame: last 1-based frame that counts; by default the last labelled frame of the
            folder, because nothing is known about the frames after it.

    Raises:
        EvaluationError: the ground truth cannot be read, a labelled camera has no hypotheses, or
            hypotheses have an id twice in one frame.
    """
    labelled = read_ground_truth(gt_dir)
    chosen = _match_cameras([c.camera for c in labelled], list(hypotheses), gt_dir)
    last = _last_frame(labelled, gt_dir) if max_frame is None else max_frame
    if last < 1:
        raise EvaluationError(f"the last frame that counts is {last}, but frames count from 1")
    cameras: dict[str, CameraScores] = {}
    gt_parts, hyp_parts = [], []
    for number, label in enumerate(labelled):
        gt = label.gt.select(label.gt.frames <= last)
        hyp = _checked(chosen[label.camera], hypotheses[chosen[label.camera]])
        timely = hyp.select(hyp.frames <= last)
        scored = timely.select(~ignored_rows(gt, timely, label.ignore))
        cameras[label.camera] = _camera_scores(
            gt, scored, ignored=len(timely) - len(scored), late=len(hyp) - len(timely)
        )
        gt_parts.append(gt.shifted(number * last))
        hyp_parts.append(scored.shifted(number * last))
    cross = _cross_camera_scores(MotRows.concatenate(gt_parts), MotRows.concatenate(hyp_parts))
    unscored = tuple(sorted(set(hypotheses) - set(chosen.values())))
    return Report(cameras, cross, last, unscored)


def read_ground_truth(gt_dir: Path) -> list[LabelledCamera]:
    """Read `<camera>.txt` and, where present, `ignore_<camera>.txt` of a folder, by name.

    Labelled rows whose score is 0 are left out, as MOTChallenge asks ("do not consider").

    Raises:
        EvaluationError: no such folder, no labelled camera, a bad line (with file and line), two
            files of one camera, or an ignore file without its camera.
    """
    if not gt_dir.is_dir():
        raise EvaluationError(f"{gt_dir}: no such folder of ground truth")
    gt_files: dict[str, Path] = {}
    ignore_files: dict[str, Path] = {}
    for path in sorted(gt_dir.glob("*.txt")):
        key = path.stem.casefold()
        files, key = (
            (ignore_files, key.removeprefix(IGNORE_PREFIX))
            if key.startswith(IGNORE_PREFIX)
            else (gt_files, key)
        )
        if key in files:
            raise EvaluationError(f"{gt_dir}: {files[key].name} and {path.name} are one camera")
        files[key] = path
    if not gt_files:
        raise EvaluationError(f"{gt_dir}: no <camera>.txt with labelled boxes in it")
    for key in ignore_files.keys() - gt_files.keys():
        raise EvaluationError(f"{ignore_files[key]}: there is no {key}.txt beside it")
    try:
        return [_read_camera(path, ignore_files.get(key)) for key, path in gt_files.items()]
    except MotFileError as error:
        raise EvaluationError(str(error)) from error


def _read_camera(gt_file: Path, ignore_file: Path | None) -> LabelledCamera:
    gt = read_mot(gt_file, unique_ids=True)
    ignore = MotRows.empty() if ignore_file is None else read_mot(ignore_file)
    return LabelledCamera(gt_file.stem, gt.select(gt.scores != 0), ignore)


def _last_frame(labelled: list[LabelledCamera], gt_dir: Path) -> int:
    last = max((int(c.gt.frames.max()) for c in labelled if len(c.gt)), default=0)
    if last == 0:
        raise EvaluationError(f"{gt_dir}: its files hold no labelled box")
    return last


def _match_cameras(labelled: list[str], reported: list[str], gt_dir: Path) -> dict[str, str]:
    """The hypotheses' name of each labelled camera."""
    by_key: dict[str, str] = {}
    for name in reported:
        other = by_key.setdefault(name.casefold(), name)
        if other != name:
            raise EvaluationError(f"cameras {other} and {name} differ only in upper and lower case")
    missing = [name for name in labelled if name.casefold() not in by_key]
    if missing:
        raise EvaluationError(
            f"{gt_dir}: no results for camera {', '.join(missing)}; labelled are "
            f"{', '.join(labelled)}; results are there for {', '.join(reported) or 'no camera'}"
        )
    return {name: by_key[name.casefold()] for name in labelled}


def _checked(camera: str, hyp: MotRows) -> MotRows:
    duplicate = hyp.first_duplicate()
    if duplicate is not None:
        row = duplicate[0]
        raise EvaluationError(
            f"camera {camera}: id {hyp.ids[row]} is twice in frame {hyp.frames[row]}"
        )
    if len(hyp) and hyp.frames.min() < 1:
        raise EvaluationError(f"camera {camera}: frame {hyp.frames.min()}, but they count from 1")
    return hyp


def _camera_scores(gt: MotRows, hyp: MotRows, *, ignored: int, late: int) -> CameraScores:
    sequence = TrackingSequence.from_rows(gt, hyp)
    scores = score_sequence(sequence)
    return CameraScores(
        idf1=scores.identity.idf1,
        idp=scores.identity.idp,
        idr=scores.identity.idr,
        idsw=scores.clear.idsw,
        mota=scores.clear.mota,
        hota=scores.hota.hota,
        gt_ids=sequence.n_gt_ids,
        hyp_ids=sequence.n_hyp_ids,
        gt_boxes=len(gt),
        hyp_boxes=len(hyp),
        ignored_boxes=ignored,
        late_boxes=late,
    )


def _cross_camera_scores(gt: MotRows, hyp: MotRows) -> CrossCameraScores:
    sequence = TrackingSequence.from_rows(gt, hyp)
    identity = identity_scores(sequence)
    return CrossCameraScores(
        idf1=identity.idf1,
        idp=identity.idp,
        idr=identity.idr,
        hota=hota_scores(sequence).hota,
        gt_ids=sequence.n_gt_ids,
        hyp_ids=sequence.n_hyp_ids,
        gt_boxes=len(gt),
        hyp_boxes=len(hyp),
    )


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.1f}"
