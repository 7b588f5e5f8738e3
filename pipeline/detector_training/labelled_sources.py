"""Read the labelled data: YOLO folders of pictures and MOTChallenge sequences."""

from __future__ import annotations

import configparser
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pipeline.detector_training.box_geometry import clip_to_picture, hidden_share
from pipeline.detector_training.labelled_frame import Boxes, Image, LabelledFrame, Part
from pipeline.detector_training.split import split_in_time, split_shuffled

PICTURE_FOLDERS = ("pennfudan", "coco128")
MOT_SEQUENCES = ("ETH-Sunnyday", "PETS09-S2L1", "TUD-Campus", "TUD-Stadtmitte")
PERSON = 0
MIN_PICTURE_PERSON_PX = 16.0
HIDDEN_LIMIT = 0.75


def read_picture(path: Path) -> Image:
    """Return the (H, W, 3) uint8 BGR picture.

    Raises:
        ValueError: the file is missing or is no picture.
    """
    picture = cv2.imread(str(path))
    if picture is None:
        raise ValueError(f"cannot read the picture {path}")
    return picture.astype(np.uint8, copy=False)


def yolo_folder_frames(folder: Path, seed: int) -> list[LabelledFrame]:
    """Return every picture of `folder/images` with the person boxes of `folder/labels`.

    Pictures without a person are kept: they show what is not a person.
    """
    paths = sorted((folder / "images").glob("*.jpg"))
    parts = split_shuffled([path.stem for path in paths], seed)
    frames = []
    for path in paths:
        height, width = read_picture(path).shape[:2]
        boxes = _yolo_boxes(folder / "labels" / f"{path.stem}.txt", width, height)
        low = boxes[:, 3] - boxes[:, 1] < MIN_PICTURE_PERSON_PX
        frames.append(
            LabelledFrame(
                dataset=folder.name,
                name=path.stem,
                part=parts[path.stem],
                read_bgr=partial(read_picture, path),
                boxes_xyxy=boxes,
                ignored=low,
                min_height_px=MIN_PICTURE_PERSON_PX,
            )
        )
    return frames


def _yolo_boxes(path: Path, width_px: int, height_px: int) -> Boxes:
    if not path.exists() or not path.read_text().strip():
        return np.zeros((0, 4), np.float32)
    rows = np.loadtxt(path, ndmin=2)
    rows = rows[rows[:, 0] == PERSON]
    scale = np.array([width_px, height_px])
    centre, size = rows[:, 1:3] * scale, rows[:, 3:5] * scale
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)
    return clip_to_picture(boxes, width_px, height_px)


def mot_frames(sequence: Path) -> list[LabelledFrame]:
    """Return the frames of a MOTChallenge sequence, without those in the gaps of the split.

    The four sequences carry no visibility (their last columns are ground-plane positions or
    constants), so how much of a person is hidden is estimated from the nearer boxes; more than
    75 % hidden, or a confidence flag of 0, makes a box ignored. The smallest labelled height of
    the sequence tells how far away the annotators stopped.
    """
    settings = configparser.ConfigParser()
    settings.read(sequence / "seqinfo.ini")
    about = settings["Sequence"]
    width, height = int(about["imWidth"]), int(about["imHeight"])
    truth = np.loadtxt(sequence / "gt" / "gt.txt", delimiter=",", ndmin=2)
    min_height = float(truth[truth[:, 6] > 0][:, 5].min())
    parts = split_in_time(int(about["seqLength"]), float(about["frameRate"]))
    frames = []
    for index, part in enumerate(parts):
        if part is None:
            continue
        rows = truth[truth[:, 0] == index + 1]
        whole = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)
        boxes = clip_to_picture(whole.astype(np.float32), width, height)
        name = f"{index + 1:06d}"
        frames.append(
            LabelledFrame(
                dataset=sequence.name,
                name=name,
                part=part,
                read_bgr=partial(read_picture, sequence / about["imDir"] / f"{name}.jpg"),
                boxes_xyxy=boxes,
                ignored=(rows[:, 6] == 0) | (hidden_share(boxes) > HIDDEN_LIMIT),
                min_height_px=min_height,
            )
        )
    return frames


def labelled_frames(shared: Path, seed: int) -> list[LabelledFrame]:
    """Return all hand-labelled frames under `shared/data`, each with its part.

    Raises:
        FileNotFoundError: one of the data folders is missing.
    """
    folders = [shared / "data" / "detection" / name for name in PICTURE_FOLDERS]
    sequences = [shared / "data" / "mot" / name for name in MOT_SEQUENCES]
    for folder in [*folders, *sequences]:
        if not folder.is_dir():
            raise FileNotFoundError(f"no labelled data at {folder}")
    frames: list[LabelledFrame] = []
    for folder in folders:
        frames += yolo_folder_frames(folder, seed)
    for sequence in sequences:
        frames += mot_frames(sequence)
    return frames


def of_part(frames: list[LabelledFrame], part: Part) -> list[LabelledFrame]:
    """Return the frames of one part, in order."""
    return [frame for frame in frames if frame.part == part]
