"""The whole recipe in one call: data, one-class head, fine-tuning, blend, INT8 export."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.detector_training.dataset import (
    DatasetPlan,
    choosing_frames,
    training_frames,
    write_dataset,
)
from pipeline.detector_training.export import export_int8
from pipeline.detector_training.offline import load_yolo
from pipeline.detector_training.person_head import write_person_checkpoint
from pipeline.detector_training.train import TrainPlan, fine_tune

log = logging.getLogger(__name__)

CHECKPOINT = "yolo11n_person.pt"
EXPORTED = "yolo11n_person_int8_openvino_model"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result.

    Attributes:
        data: which frames.
        training: how they are trained on.
        calibration_images: training pictures shown to the quantiser.
    """

    data: DatasetPlan = field(default_factory=DatasetPlan)
    training: TrainPlan = field(default_factory=TrainPlan)
    calibration_images: int = 300


def make_detector(shared: Path, work: Path, out: Path, recipe: Recipe) -> tuple[Path, Path]:
    """Make the detector's checkpoint and its INT8 export, and return both paths.

    Args:
        shared: folder with `data/` and `weights/` (see the data page).
        work: new folder for the data set and the run.
        out: folder that receives `yolo11n_person.pt` and the OpenVINO folder.
        recipe: data, training and calibration.

    Raises:
        FileExistsError: `work` holds an earlier run, or `out` finished weights.
        FileNotFoundError: data or start weights are missing.
    """
    checkpoint, exported = out / CHECKPOINT, out / EXPORTED
    for finished in (checkpoint, exported):
        if finished.exists():
            raise FileExistsError(f"{finished} exists; choose another folder")
    teacher = load_yolo(shared / "weights" / "yolo11n_int8_openvino_model")
    train = training_frames(shared, teacher, recipe.data)
    choose = choosing_frames(shared, recipe.data)
    data = write_dataset(train, choose, work / "data", recipe.data)
    start = write_person_checkpoint(shared / "weights" / "yolo11n_coco.pt", work / "start.pt")
    tuned = fine_tune(start, data, work / "run", recipe.training)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tuned, checkpoint)
    export_int8(checkpoint, calibration_images(work / "data", recipe.calibration_images), exported)
    return checkpoint, exported


def calibration_images(dataset: Path, count: int) -> list[Path]:
    """Return up to `count` training pictures, spread evenly over the sorted names.

    Args:
        dataset: folder written by `write_dataset`.
        count: how many at most.
    """
    images = sorted((dataset / "images" / "train").glob("*.jpg"))
    if len(images) <= count:
        return images
    return [images[i] for i in np.linspace(0, len(images) - 1, count).round().astype(int)]
