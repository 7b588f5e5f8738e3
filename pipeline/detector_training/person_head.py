"""Turn an 80-class COCO detector into one that knows only persons, with the same outputs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.detector_training.offline import load_yolo

PERSON_CLASS = 0


def keep_one_class(model: Any, class_index: int = PERSON_CLASS) -> Any:
    """Return a copy of an Ultralytics detection model that predicts one class of the original.

    Only the last 1x1 convolution of each classification branch shrinks (80 rows to 1), so boxes
    and the kept class's scores stay exactly those of the original network.

    Args:
        model: an Ultralytics `DetectionModel` whose last layer is an anchor-free `Detect` head.
        class_index: the row of the classification branch to keep; 0 is COCO's person.

    Raises:
        ValueError: the head has no such class.
    """
    small = copy.deepcopy(model)
    head = small.model[-1]
    if not 0 <= class_index < head.nc:
        raise ValueError(f"class {class_index} is not among the {head.nc} classes of this model")
    for branch in head.cv3:
        branch[-1] = _keep_row(branch[-1], class_index)
    head.nc = 1
    head.no = 1 + 4 * head.reg_max
    name = small.names[class_index]
    small.nc = 1
    small.names = {0: name}
    small.yaml["nc"] = 1
    return small


def _keep_row(convolution: nn.Conv2d, row: int) -> nn.Conv2d:
    one = nn.Conv2d(convolution.in_channels, 1, kernel_size=1)
    one.weight.data = convolution.weight.data[row : row + 1].clone()
    if one.bias is not None and convolution.bias is not None:
        one.bias.data = convolution.bias.data[row : row + 1].clone()
    return one.to(convolution.weight.dtype)


def write_person_checkpoint(coco_checkpoint: Path, target: Path) -> Path:
    """Write the one-class version of an Ultralytics checkpoint and return `target`.

    Args:
        coco_checkpoint: an Ultralytics `.pt` file trained on COCO's 80 classes.
        target: the `.pt` file to write (fp16, no optimizer state); parent folders are made.
    """
    model = load_yolo(coco_checkpoint).model
    save_checkpoint(keep_one_class(model.float()), target)
    return target


def save_checkpoint(model: Any, target: Path) -> None:
    """Save a model as a stripped Ultralytics checkpoint that `YOLO(target)` loads.

    Weights are stored as fp16; optimizer, EMA and training state are left out.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    stored = copy.deepcopy(model).half().eval()
    for parameter in stored.parameters():
        parameter.requires_grad = False
    args = {"task": "detect", "imgsz": 640, "single_cls": True}
    stored.args = args
    stored.pt_path = target.name
    torch.save({"model": stored, "ema": None, "optimizer": None, "train_args": args}, target)
