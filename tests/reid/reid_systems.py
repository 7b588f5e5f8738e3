"""Each YAML of configs/reid as a thin network on a slice of Market-1501, to test the systems."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from test_reid_teacher import save_teacher

from reid.config import ReidConfig, load_reid_config
from reid.data.attributes import load_attributes
from reid.data.crops import Crops
from reid.data.joints import load_joints
from reid.data.mixing import mixed_pictures
from reid.teacher import Teacher, picture_features
from reid.training_set import TrainingSet
from reid.yaml_files import read_yaml

CONFIGS = Path(__file__).parents[2] / "configs" / "reid"
SYSTEMS = sorted(path.stem for path in CONFIGS.glob("[!_]*.yaml") if "model" in read_yaml(path))
"""All that are trained by steps; LOMO + XQDA is fitted."""
IDENTITIES, VIEWS = 40, 8
_TRAIN = re.compile(r".*/bounding_box_train/((\d{4})_c(\d)s\d_\d+_\d+\.jpg)$")
_MIXED = 64
"""Unlabelled pictures, for the systems that have some."""
_WIDTHS: dict[str, float] = {"resnet50": 8, "hrnet": 8, "slim": 16}
_OSNET_WIDTH = 0.25
_STILL = dict.fromkeys(("shift", "scale", "colour", "grey", "blur", "erase", "truncate"), 0.0)
_TRAIN_CHANGES: dict[str, Any] = {
    "identities_per_batch": 10,  # so that a quarter of the steps sees everybody
    "images_per_identity": 2,
    "warmup_steps": 2,
    "schedule": {"name": "cosine"},
    "augment": {**_STILL, "pad_crop": 0, "flip": 0.5},
}
_RATE = 1e-3
_GENTLE_RATES = {"msfl": 3e-4, "lstm_fusion": 3e-4, "can": 1e-4}


def thin_system(name: str, **train: Any) -> ReidConfig:
    """`configs/reid/NAME.yaml` as it is, but with few channels, and trained for two epochs."""
    size_hw = (128, 64) if name.startswith("pmm") else (96, 48)  # PMM's 8 x 4 blocks need a cell
    path = CONFIGS / f"{name}.yaml"
    full = load_reid_config(path)
    trunk, head = full.model.backbone, full.model.head
    whole = trunk.channels if trunk.name == "slim" else trunk.width
    width = _WIDTHS.get(trunk.name, min(whole, _OSNET_WIDTH))
    key = "channels" if trunk.name == "slim" else "width"
    changes: dict[str, Any] = {f"model.backbone.{key}": width, "input_hw": size_hw}
    if head.name == "bnneck" and head.reduction == "none":
        changes["model.head.dim"] = int(head.dim * width / whole)
    if full.train.unlabelled_per_batch:
        changes["train.unlabelled_per_batch"] = 8
    rate = _GENTLE_RATES.get(head.name, _RATE)
    phases = [{"epochs": 2, "size_hw": size_hw}]
    schedule = {"learning_rate": rate, "phases": phases, **_TRAIN_CHANGES, **train}
    changes |= {f"train.{key}": value for key, value in schedule.items()}
    return load_reid_config(path, changes)


def market_slice(shared: Path, folder: Path, size_hw: tuple[int, int] = (128, 64)) -> TrainingSet:
    """The first 8 pictures of the first 40 people, with all that is known of them.

    The features of the teacher are mean colours of the picture; `folder` keeps its files.
    """
    with zipfile.ZipFile(shared / "data" / "market1501.zip") as archive:
        of: dict[int, list[re.Match[str]]] = defaultdict(list)
        for match in filter(None, map(_TRAIN.match, sorted(archive.namelist()))):
            of[int(match[2])].append(match)
        chosen = [m for identity in sorted(of)[:IDENTITIES] for m in of[identity][:VIEWS]]
        encoded = [np.frombuffer(archive.read(match[0]), np.uint8) for match in chosen]
    pictures = [cv2.imdecode(code, cv2.IMREAD_COLOR)[:, :, ::-1] for code in encoded]
    height, width = size_hw
    images = np.stack([cv2.resize(picture, (width, height)) for picture in pictures])
    crops = Crops(
        tuple(Path(match[1]) for match in chosen),
        np.array([int(match[2]) for match in chosen], np.int64),
        np.array([int(match[3]) for match in chosen], np.int64),
    )
    data = TrainingSet(
        images,
        crops.identities,
        joints=load_joints(shared / "data" / "market1501_pose14.npz", crops, "train"),
        attributes=load_attributes(
            shared / "data" / "market1501_attributes_train.csv", crops.identities
        )[0],
    )
    return with_teacher(data, folder)


def with_teacher(data: TrainingSet, folder: Path) -> TrainingSet:
    """`data` with a teacher's features of all pictures, and mixed pictures that it alone knows."""
    teacher = Teacher(save_teacher(folder / "teacher.xml"), 1)
    mixed = mixed_pictures(data.images, data.images[:0], _MIXED, 0)
    features = [
        picture_features(teacher, pictures, folder / f"{name}.npz")
        for name, pictures in (("own", data.images), ("mixed", mixed))
    ]
    return replace(data, teacher=features[0], unlabelled=mixed, unlabelled_teacher=features[1])
