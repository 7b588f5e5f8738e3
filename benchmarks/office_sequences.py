"""Make MOTChallenge sequences of the labelled office recording, to score trackers on it too.

    python benchmarks/office_sequences.py --to DIR [--shared ../shared] [--away 5]

DIR gets a folder per camera with pictures, labels and the boxes of the default detector
(`det/default.txt`). Somebody who was away for longer than `--away` seconds is a new person there,
as in MOTChallenge: to know them again is the task of association, not of one camera's tracker.
Boxes that the labels leave open become distractors, which are not scored.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.about import ROOT
from benchmarks.sources import frames_at, frames_per_second, recordings_of
from pipeline.detector import Detector
from pipeline.evaluation import read_ground_truth
from trackers.metrics.labels import PERSON
from trackers.motfile import MotRows, write_mot

DISTRACTOR = 8
DETECTIONS = Path("det") / "default.txt"
_QUALITY = 97


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all cameras; 2 after one line on standard error if there is something already."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, required=True, help="new folder")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--away", type=float, default=5.0, help="seconds; then a new person")
    given = parser.parse_args(arguments)
    if given.to.exists():
        print(f"--to {given.to}: is there already and is not overwritten", file=sys.stderr)
        return 2
    recordings = recordings_of(given.shared)
    detector = Detector()
    for labelled in read_ground_truth(recordings / "gt"):
        folder = given.to / labelled.camera
        print(f"writing {folder}", file=sys.stderr)
        recording = recordings / f"{labelled.camera}.mp4"
        fps = frames_per_second(recording)
        gt = split_at_absences(labelled.gt, round(given.away * fps))
        write_labels(folder, gt, labelled.ignore)
        write_pictures(folder, recording, int(gt.frames.max()), detector)
        (folder / "seqinfo.ini").write_text(
            f"[Sequence]\nname={folder.name}\nframeRate={fps:g}\n", encoding="utf-8"
        )
    return 0


def split_at_absences(rows: MotRows, frames: int) -> MotRows:
    """The same boxes with a new id after each absence of more than so many frames."""
    order = np.lexsort((rows.frames, rows.ids))
    sorted_rows = rows.select(order)
    new_person = np.diff(sorted_rows.ids, prepend=-1) != 0
    returned = np.diff(sorted_rows.frames, prepend=0) > frames
    ids = np.cumsum(new_person | returned)
    return MotRows(sorted_rows.frames, ids, sorted_rows.boxes_xyxy, sorted_rows.scores)


def write_labels(folder: Path, gt: MotRows, ignore: MotRows) -> None:
    """`gt/gt.txt` with classes: people, and boxes to leave out as distractors, each with an id."""
    (folder / "gt").mkdir(parents=True)
    ignore = ignore.select(ignore.frames <= gt.frames.max())
    first = int(gt.ids.max()) + 1
    lines = [
        *_lines(gt, gt.ids, PERSON),
        *_lines(ignore, np.arange(first, first + len(ignore)), DISTRACTOR),
    ]
    (folder / "gt" / "gt.txt").write_text("".join(lines), encoding="utf-8")


def write_pictures(folder: Path, recording: Path, count: int, detector: Detector) -> None:
    """The first frames as pictures, and the detector's boxes.

    Raises:
        SystemExit: a frame that cannot be read.
    """
    (folder / "img1").mkdir(parents=True)
    (folder / DETECTIONS).parent.mkdir()
    boxes = []
    for number, image in frames_at(recording, range(1, count + 1)):
        picture = str(folder / "img1" / f"{number:06d}.jpg")
        cv2.imwrite(picture, image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        (found,) = detector.detect([image])
        frames, nobody = np.full(len(found), number), np.full(len(found), -1)
        boxes.append(MotRows(frames, nobody, found.boxes_xyxy, found.scores))
    write_mot(folder / DETECTIONS, MotRows.concatenate(boxes))


def _lines(rows: MotRows, ids: NDArray[np.integer], label: int) -> list[str]:
    sizes = rows.boxes_xyxy[:, 2:] - rows.boxes_xyxy[:, :2]
    return [
        f"{frame},{person},{left:.2f},{top:.2f},{width:.2f},{height:.2f},1,{label},1\n"
        for frame, person, (left, top), (width, height) in zip(
            rows.frames, ids, rows.boxes_xyxy[:, :2], sizes, strict=True
        )
    ]


if __name__ == "__main__":
    sys.exit(main())
