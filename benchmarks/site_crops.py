"""Crops of labelled tracklets, cut from recordings: people as a site's cameras see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.sources import frame_size_wh, frames_at, frames_per_second
from pipeline.crops import clip_boxes, cut, usable
from pipeline.evaluation import LabelledCamera
from reid.data.crops import Crops
from trackers.metrics.boxes import coverage_matrix
from trackers.metrics.sequence import rows_by_frame
from trackers.motfile import MotRows

RECORDINGS = frozenset({".mp4", ".avi", ".mkv", ".mov"})


@dataclass(frozen=True)
class CutRules:
    """What becomes a tracklet, and which of its boxes become crops.

    Attributes:
        gap_s: a tracklet ends where its person is not labelled for longer.
        most: crops per tracklet; more look more alike.
        in_ignored: largest share of a crop that may lie in one ignore box (people who cross).
        in_other: largest share of a crop that may lie in one other labelled box.
    """

    gap_s: float = 1.0
    most: int = 8
    in_ignored: float = 0.3
    in_other: float = 0.5


@dataclass(frozen=True)
class LabelledTracklet:
    """One person in one camera without a long gap.

    Attributes:
        frames: (n,) int64, 1-based, ascending: where crops are cut; n >= 1.
        boxes_xyxy: (n, 4) pixels.
    """

    person: int
    camera: str
    frames: NDArray[np.int64]
    boxes_xyxy: NDArray[np.floating]


@dataclass(frozen=True)
class SiteCrops:
    """The crops of T tracklets.

    Attributes:
        pictures: N crops, each (h, w, 3) uint8 BGR.
        labels: person, number of the camera and tracklet of each crop; paths name what was cut
            (`Cam1/000205_3`: camera, frame, person) and are not on disk.
        cameras: names of the cameras, by number.
    """

    pictures: list[NDArray[np.uint8]]
    labels: Crops
    cameras: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def owner(self) -> NDArray[np.int64]:
        """(N,) tracklet of each crop, 0..T-1."""
        assert self.labels.tracklets is not None
        return self.labels.tracklets


def recordings_in(folder: Path, cameras: Sequence[str]) -> dict[str, Path]:
    """The recording of each camera: the one video file of that name.

    Raises:
        SystemExit: none or several.
    """
    found = {}
    for camera in cameras:
        files = [p for p in sorted(folder.glob(f"{camera}.*")) if p.suffix.lower() in RECORDINGS]
        if len(files) != 1:
            raise SystemExit(f"{folder}: {len(files)} recordings of camera {camera}, not one")
        found[camera] = files[0]
    return found


def labelled_tracklets(
    labelled: LabelledCamera,
    fps: float,
    size_wh: tuple[int, int],
    last_frame: int,
    rules: CutRules,
) -> list[LabelledTracklet]:
    """The tracklets of one camera by person and time; those without a usable box are left out.

    Tracklets are runs of all labelled boxes; a box that is not usable is not cut, but does not
    divide a tracklet.

    Args:
        fps: frames per second of the recording.
        size_wh: of its picture, pixels.
        last_frame: labels after it do not count.
    """
    gt = labelled.gt.select(labelled.gt.frames <= last_frame)
    clear = clear_boxes(gt, labelled.ignore, rules) & usable(clip_boxes(gt.boxes_xyxy, size_wh))
    found = []
    for person in np.unique(gt.ids).tolist():
        rows = np.flatnonzero(gt.ids == person)
        rows = rows[np.argsort(gt.frames[rows], kind="stable")]
        gaps = np.flatnonzero(np.diff(gt.frames[rows]) > rules.gap_s * fps)
        for run in np.split(rows, gaps + 1):
            good = run[clear[run]]
            chosen = good[evenly(gt.frames[good], rules.most)]
            if len(chosen):
                one = LabelledTracklet(
                    person, labelled.camera, gt.frames[chosen], gt.boxes_xyxy[chosen]
                )
                found.append(one)
    return found


def clear_boxes(gt: MotRows, ignore: MotRows, rules: CutRules) -> NDArray[np.bool_]:
    """(N,) which labelled boxes show one person: little of them is in another or an ignore box."""
    clear = np.ones(len(gt), np.bool_)
    frames = np.unique(gt.frames)
    for rows, hidden in zip(
        rows_by_frame(gt.frames, frames), rows_by_frame(ignore.frames, frames), strict=True
    ):
        boxes = gt.boxes_xyxy[rows]
        others = coverage_matrix(boxes, boxes)
        np.fill_diagonal(others, 0.0)
        ignored = coverage_matrix(boxes, ignore.boxes_xyxy[hidden]).max(axis=1, initial=0.0)
        clear[rows] = (others.max(axis=1) <= rules.in_other) & (ignored <= rules.in_ignored)
    return clear


def evenly(frames: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Numbers of at most so many of the ascending frames: the middles of equal spans of time.

    Each is the frame nearest to such a middle, the earlier of two that are as near.
    """
    if len(frames) <= most:
        return np.arange(len(frames))
    middles = frames[0] + (np.arange(most) + 0.5) / most * (frames[-1] - frames[0])
    return np.unique(np.abs(frames[None] - middles[:, None]).argmin(axis=1))


def cut_site(
    labelled: Sequence[LabelledCamera],
    recordings: Mapping[str, Path],
    last_frame: int,
    rules: CutRules | None = None,
) -> SiteCrops:
    """Cut all tracklets of all cameras.

    Raises:
        SystemExit: a frame that cannot be read, or nothing to cut.
    """
    tracklets: list[LabelledTracklet] = []
    for one in labelled:
        path = recordings[one.camera]
        tracklets += labelled_tracklets(
            one, frames_per_second(path), frame_size_wh(path), last_frame, rules or CutRules()
        )
    if not tracklets:
        raise SystemExit(f"no labelled person to cut out of {', '.join(map(str, recordings))}")
    cameras = tuple(one.camera for one in labelled)
    rows = [
        (number, one, frame, box)
        for number, one in enumerate(tracklets)
        for frame, box in zip(one.frames.tolist(), one.boxes_xyxy, strict=True)
    ]
    labels = Crops(
        tuple(Path(one.camera) / f"{frame:06d}_{one.person}" for _, one, frame, _ in rows),
        np.array([one.person for _, one, _, _ in rows], np.int64),
        np.array([cameras.index(one.camera) for _, one, _, _ in rows], np.int64),
        np.array([number for number, *_ in rows], np.int64),
    )
    boxes = [(one.camera, frame, box) for _, one, frame, box in rows]
    return SiteCrops(_pictures(boxes, recordings), labels, cameras)


def _pictures(
    boxes: Sequence[tuple[str, int, NDArray[np.floating]]], recordings: Mapping[str, Path]
) -> list[NDArray[np.uint8]]:
    """The crop of each (camera, frame, box); each recording is decoded once."""
    found: dict[int, NDArray[np.uint8]] = {}
    for camera, path in recordings.items():
        at: dict[int, list[int]] = {}
        for number, (where, frame, _) in enumerate(boxes):
            if where == camera:
                at.setdefault(frame, []).append(number)
        for frame, picture in frames_at(path, at.keys()):
            size_wh = (picture.shape[1], picture.shape[0])
            for number in at[frame]:
                box = clip_boxes(boxes[number][2][None].astype(np.float32), size_wh)[0]
                found[number] = cut(picture, box).copy()
    return [found[number] for number in range(len(boxes))]
