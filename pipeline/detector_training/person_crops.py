"""Cut people out of footage for the embedder to learn from without labels.

`python -m pipeline.detector_training.person_crops --shared ../shared --to DIR` writes one JPEG per
person; `python main.py reid train --unlabelled DIR` reads them. MOT sequences are left out,
because trackers are compared on them, and office3 is never read.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from pathlib import Path

from pipeline.crops import clip_boxes, cut, encode_jpeg
from pipeline.detector_training.composites import composite_frames
from pipeline.detector_training.dataset import VIDEOS
from pipeline.detector_training.labelled_frame import LabelledFrame, Part
from pipeline.detector_training.labelled_sources import PICTURE_FOLDERS, yolo_folder_frames
from pipeline.detector_training.offline import load_yolo
from pipeline.detector_training.pseudo_labels import video_frames
from reid.openvino_core import shared_core

log = logging.getLogger(__name__)

MIN_HEIGHT_PX = 48
"""Lower people show little more than a colour."""
SECONDS_APART = 0.25
COMPOSITES = 150
SEED = 20260101


def write_person_crops(frames: Iterable[LabelledFrame], folder: Path) -> int:
    """Write every labelled person of at least 48 pixels as `DATASET_NAME_NUMBER.jpg`.

    Returns how many were written.

    Raises:
        FileExistsError: the folder exists.
    """
    folder.mkdir(parents=True)
    written = 0
    for frame in frames:
        picture = frame.read_bgr()
        height, width = picture.shape[:2]
        boxes = clip_boxes(frame.boxes_xyxy[~frame.ignored], (width, height))
        for number, box in enumerate(boxes):
            if box[3] - box[1] < MIN_HEIGHT_PX or box[2] <= box[0]:
                continue
            name = f"{frame.dataset}_{frame.name}_{number}.jpg"
            (folder / name).write_bytes(encode_jpeg(cut(picture, box)))
            written += 1
    return written


def footage_frames(shared: Path) -> list[LabelledFrame]:
    """The training pictures of the picture folders, the sample clips and the drawn demo."""
    detector = load_yolo(shared / "weights" / "yolo11n_int8_openvino_model")
    frames: list[LabelledFrame] = []
    for name in PICTURE_FOLDERS:
        folder = yolo_folder_frames(shared / "data" / "detection" / name, SEED)
        frames += [frame for frame in folder if frame.part is Part.TRAIN]
    for video in VIDEOS:
        frames += video_frames(shared / "data" / "videos" / video, detector, SECONDS_APART)
    return frames + composite_frames(COMPOSITES, Part.TRAIN, SEED)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and write the crops."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.detector_training.person_crops")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="data and weights")
    parser.add_argument("--to", type=Path, required=True, help="new folder for the crops")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with shared_core():
        log.info("%d crops", write_person_crops(footage_frames(given.shared), given.to))


if __name__ == "__main__":
    main()
